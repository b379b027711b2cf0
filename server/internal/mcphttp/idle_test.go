package mcphttp

import (
	"bufio"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
	"github.com/prynai/prynai-mcp/server/internal/session"
)

// TestIdleStreams measures what open GET streams cost that nothing happens on.
func TestIdleStreams(t *testing.T) {
	const streams, most = 5000, 40 << 10
	if raceDetector {
		t.Skip("the race detector's own memory would be measured")
	}
	server := redistest.Start(t, "--appendonly", "no") // 6,000 writes to disk prove nothing here
	limits := session.DefaultLimits
	limits.SessionsPerPrincipal = streams
	d := deploy(t, 1, options{timing: DefaultTiming, limits: limits, redis: func() *redis.Client { return redis.Open(redis.Options{Address: server.Addr}) }})
	replica := d.replicas[0]
	var requests []*http.Request
	for range streams / limits.GetStreams {
		c := d.initialize("2025-11-25")
		for range limits.GetStreams {
			requests = append(requests, c.request(http.MethodGet, replica.url, ""))
		}
	}
	before := inUse()
	conns := make([]net.Conn, 0, streams)
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for _, r := range requests {
		conn, err := net.Dial("tcp", r.URL.Host)
		if err != nil {
			t.Skipf("this machine does not allow %d connections: %v", 2*streams, err)
		}
		conns = append(conns, conn)
		if err := r.Write(conn); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		status, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		if err != nil || !strings.Contains(status, " 200 ") {
			t.Fatalf("%q, %v", status, err)
		}
	}
	// Some reads later, when every goroutine has the stack that it needs.
	scripts := func() (n int64) {
		info, err := replica.redis.Do(t.Context(), replica.redis.B().Info().Section("commandstats").Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, calls, _ := strings.Cut(info, "cmdstat_evalsha:calls=")
		calls, _, _ = strings.Cut(calls, ",")
		n, err = strconv.ParseInt(calls, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	reads := scripts()
	start := time.Now()
	eventually(t, "two reads of each", func() bool { return scripts() >= reads+2*streams })
	each := (inUse() - before) / streams
	t.Logf("%d idle streams: %d bytes each; %d reads in %v", streams, each, scripts()-reads, time.Since(start))
	if each > most {
		t.Errorf("an idle stream costs %d bytes, at most %d are wanted", each, most)
	}
}

// inUse is the memory that this process uses, both ends of the connections.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
