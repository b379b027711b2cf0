package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
	"github.com/prynai/prynai-mcp/server/surface"
)

// What a plain call may cost, in counts that do not depend on the machine. The
// bench module reads the attributes of these tests; times are its own.

// A plain call of a session that the replica knows asks Redis for nothing. The
// replicas' heartbeats and the draws of the rate limit, of which one serves a
// hundred calls, are no part of it.
func TestPlainCallsLeaveRedisAlone(t *testing.T) {
	const calls, sessions = 1000, 10
	entra := entratest.Start(t, entratest.Options{})
	store := redistest.Start(t)
	var replicas []*local
	for range 2 {
		replicas = append(replicas, startLocal(t, product("test"), protected(entra), "REDIS_URL="+store.URL))
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{store.Addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	add := func(i int, r request) {
		r.body = addCall(i)
		if got := replicas[i/sessions%2].do(t, r); got.status != http.StatusOK || !strings.Contains(got.body, fmt.Sprintf(`"text":"%d"`, 3*i)) {
			t.Fatalf("add %d and %d: %v", i, 2*i, got)
		}
	}
	var callers []request
	for i := range sessions {
		token := entra.Mint(entratest.Token{User: fmt.Sprint("user-", i), Scopes: []string{"mcp.invoke"}})
		callers = append(callers, request{token: token, session: replicas[i%2].initialize(t, token, mcp.ProtocolVersion20251125)})
	}
	// Both replicas come to know all sessions, and trust what they know as soon
	// as their heartbeats have come round.
	eventually(t, "the replicas know the sessions", func() bool {
		before := commands(t, client)
		for i := range 4 * sessions {
			add(i, callers[i%sessions])
		}
		return commands(t, client)["hgetall"] == before["hgetall"]
	})

	// A machine that stalls for a second delays the heartbeats, and the replicas
	// rightly ask again: then the calls are made once more.
	const attempts = 5
	var problems []string
	for range attempts {
		before, started := commands(t, client), time.Now()
		for i := range calls {
			add(i, callers[i%sessions])
		}
		var asked int
		asked, problems = askedOf(before, commands(t, client), time.Since(started), calls)
		if len(problems) == 0 {
			t.Attr("redis-commands", strconv.Itoa(asked))
			return
		}
	}
	t.Errorf("%d plain calls: %s", calls, strings.Join(problems, ", "))
}

// askedOf counts the commands that calls made, and finds too many of those that
// are made beside them.
func askedOf(before, after map[string]int, took time.Duration, calls int) (asked int, problems []string) {
	beats := 10 + 2*int(took/(100*time.Millisecond))
	for name, count := range after {
		count -= before[name]
		most := 0
		switch name {
		case "info", "ping": // the test's own, and each connection's sign of life
			continue
		case "publish", "zadd", "zremrangebyscore", "pexpire": // two replicas' signs of life, scripts of these
			most = beats
		case "evalsha", "time", "get", "set": // a draw of the rate limit is a script of the latter three
			most = calls/10 + beats
		default:
			asked += count
		}
		if count > most {
			problems = append(problems, fmt.Sprintf("%d x %s", count, name))
		}
	}
	return asked, problems
}

// commands counts what Redis has run, by name.
func commands(t *testing.T, client rueidis.Client) map[string]int {
	t.Helper()
	info, err := client.Do(t.Context(), client.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(info) {
		name, rest, found := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		text, _, _ := strings.Cut(rest, ",")
		if !found {
			continue
		}
		if counts[name], err = strconv.Atoi(text); err != nil {
			t.Fatalf("INFO commandstats: %q", line)
		}
	}
	return counts
}

func addCall(i int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"add","arguments":{"a":%d,"b":%d}}}`, i+1, i, 2*i)
}

// A plain call may allocate a fifth more than bare mcp-go, although it is
// authenticated, limited, logged and of a session that lasts.
func TestPlainCallAllocations(t *testing.T) {
	const most = 1.2
	header, ours := protectedCaller(t, mcp.ProtocolVersion20251125)
	theirs := bareCaller(t, mcp.ProtocolVersion20251125)
	count := func(call func()) float64 { return testing.AllocsPerRun(1000, call) }
	nothing := count(func() { newExchange(header, []byte(addCall(20))) })
	us, them := count(ours)-nothing, count(theirs)-nothing
	t.Attr("allocations-ratio", strconv.FormatFloat(us/them, 'f', 2, 64))
	t.Logf("allocations of a plain call: %.0f, bare mcp-go %.0f, both without the %.0f of the test's own", us, them, nothing)
	if us > most*them {
		t.Errorf("a plain call allocates %.2f times as often as bare mcp-go, want at most %.1f", us/them, most)
	}
}

// BenchmarkPlainCall is a call without HTTP's own cost: through all of this
// server's layers, and through bare mcp-go's.
func BenchmarkPlainCall(b *testing.B) {
	for _, version := range []string{mcp.ProtocolVersion20251125, mcp.ProtocolVersion20260728} {
		_, ours := protectedCaller(b, version)
		for name, call := range map[string]func(){"this server": ours, "mcp-go": bareCaller(b, version)} {
			b.Run(version+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					call()
				}
			})
		}
	}
}

// protectedCaller prepares plain calls of this server, with all that production
// has, and returns the header that they are made with.
func protectedCaller(t testing.TB, version string) (http.Header, func()) {
	t.Helper()
	entra := entratest.Start(t, entratest.Options{})
	store := redistest.Embedded(t)
	l := startLocal(t, product("test"), protected(entra), "REDIS_URL=redis://"+store.Addr(), "RATE_LIMIT=100000", "LISTEN_ADDR=127.0.0.1:8000")
	token := entra.Mint(entratest.Token{User: "user", Scopes: []string{"mcp.invoke"}})
	header := http.Header{"Authorization": {"Bearer " + token}}
	return header, plainCaller(t, l.handler, header, version, store.CommandCount)
}

func bareCaller(t testing.TB, version string) func() {
	t.Helper()
	bare := surface.New("test")
	bare.Register(surface.Dependencies{})
	return plainCaller(t, server.NewStreamableHTTPServer(bare.MCPServer), http.Header{}, version, func() int { return 0 })
}

// plainCaller returns what makes a plain call, once calls run no commands of
// Redis any more. With the header goes the session, where there is one.
func plainCaller(t testing.TB, handler http.Handler, header http.Header, version string, commands func() int) func() {
	t.Helper()
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json, text/event-stream")
	serve := func(body string) *exchange {
		x := newExchange(header, []byte(body))
		handler.ServeHTTP(x, x.request.WithContext(t.Context()))
		if x.status >= 300 {
			t.Fatalf("%d %s", x.status, &x.body)
		}
		return x
	}
	body := addCall(20)
	if mcp.IsModernProtocol(version) {
		header.Set(mcp.HeaderProtocolVersion, version)
		header.Set("Mcp-Method", "tools/call")
		header.Set("Mcp-Name", "add")
		body = strings.Replace(body, `"arguments"`, `"_meta":{"io.modelcontextprotocol/protocolVersion":"`+version+
			`","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},"arguments"`, 1)
	} else {
		opened := serve(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + version +
			`","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
		header.Set("Mcp-Session-Id", opened.header.Get("Mcp-Session-Id"))
	}
	if got := serve(body).body.String(); !strings.Contains(got, `"text":"60"`) {
		t.Fatal(got)
	}
	eventually(t, "the replica trusts what it knows of the session", func() bool {
		before := commands()
		for range 20 {
			serve(body)
		}
		return commands() == before
	})
	return func() { serve(body) }
}

// exchange is a request and the writer of its answer, with as few allocations
// as can be.
type exchange struct {
	request *http.Request
	header  http.Header
	status  int
	body    bytes.Buffer
}

func newExchange(header http.Header, body []byte) *exchange {
	request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:8000/mcp", io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		panic(err) // the address is right
	}
	request.ContentLength, request.Header = int64(len(body)), header.Clone() // the token is taken out of it
	return &exchange{request: request, header: make(http.Header)}
}

func (x *exchange) Header() http.Header         { return x.header }
func (x *exchange) WriteHeader(status int)      { x.status = status }
func (x *exchange) Write(p []byte) (int, error) { return x.body.Write(p) }
func (x *exchange) Flush()                      {}

// The deadlines that a connection has.
func (x *exchange) SetReadDeadline(time.Time) error  { return nil }
func (x *exchange) SetWriteDeadline(time.Time) error { return nil }
