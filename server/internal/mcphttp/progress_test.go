package mcphttp

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// Point 2: what a call sends arrives on its stream, in order, whole.

// TestMessagesOfConcurrentCalls: the last one is sent right before the return.
func TestMessagesOfConcurrentCalls(t *testing.T) {
	d := deploy(t, 3, options{})
	for _, version := range sessionful {
		c := d.initialize(version)
		const calls, messages = 12, 50
		answers := make(chan *answer, calls)
		for i := range calls {
			r := d.next()
			go func() {
				answers <- c.sendTo(r, http.MethodPost, toolCall(fmt.Sprint(i), "send", fmt.Sprintf(`{"name":"call-%d","count":%d}`, i, messages)))
			}()
		}
		for range calls {
			a := <-answers
			name, n := "", 0
			for e := range a.each() {
				if strings.Contains(e.data, `"result"`) {
					if id := `"id":` + strings.TrimPrefix(name, "call-") + `,`; !strings.Contains(e.data, id) || n != messages {
						t.Errorf("after %d messages of %s: %s", n, name, e.data)
					}
					continue
				}
				words := strings.Fields(logged(t, e))
				if name == "" {
					name = words[0]
				}
				if words[0] != name || words[1] != fmt.Sprint(n) {
					t.Fatalf("on the stream of %s: %q after %d messages", name, words, n)
				}
				n++
			}
		}
	}
}

// TestFlood: 5,000 messages to a client that reads slowly.
func TestFlood(t *testing.T) {
	c := deploy(t, 2, options{}).initialize("2025-11-25")
	a := c.call(`1`, "send", `{"name":"flood","count":5000,"size":500}`)
	n := 0
	for e := range a.each() {
		if n%1000 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		if n == 5000 {
			if !strings.Contains(e.data, `"sent"`) {
				t.Errorf("the result is %s", e.data)
			}
			continue
		}
		if words := strings.Fields(logged(t, e)); words[1] != fmt.Sprint(n) {
			t.Fatalf("got %s after %d messages", words[1], n)
		}
		n++
	}
	if n != 5000 {
		t.Errorf("%d messages", n)
	}
}

// TestTooMuch: a tool is told when what it sends is not kept, and where it
// would not learn it any more, its client is.
func TestTooMuch(t *testing.T) {
	limits := session.DefaultLimits
	limits.StreamEvents, limits.EventBytes = 100, 10_000
	c := deploy(t, 1, options{limits: limits}).initialize("2025-11-25")
	c.call(`1`, "send", `{"name":"n","count":100}`).wantText(`"sent"`)
	c.call(`2`, "send", `{"name":"n","count":101}`).wantText(`"error"`)
	c.call(`3`, "send", `{"name":"n","count":1000}`).wantText(`"isError":true`, `message `)
	c.call(`4`, "send", `{"name":"n","size":20000}`).wantText(`"error"`)
}

// TestCutOff: a client that does not read is cut, and its call goes on.
func TestCutOff(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Write = 100 * time.Millisecond
	d := deploy(t, 2, options{timing: timing})
	c := d.initialize("2025-11-25")
	r := c.request(http.MethodPost, d.replicas[0].url, toolCall(`1`, "send", `{"name":"n","count":3000,"size":10000}`))
	conn, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 500)
	if _, err := conn.Read(first); err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(first), "\nid: ")
	if !ok {
		t.Fatalf("no id in %q", first)
	}
	id, _, _ := strings.Cut(rest, "\n")
	eventually(t, "end of the call", func() bool { return d.replicas[0].calls.count.Load() == 0 })

	// All of it is there for when the client comes back, anywhere.
	n := 0
	for e := range c.sendTo(d.replicas[1], http.MethodGet, "", mcp.HeaderLastEventID, id).each() {
		if n++; n == 3001 && !strings.Contains(e.data, `"sent"`) {
			t.Errorf("the result is %.200s", e.data)
		}
	}
	if n != 3001 {
		t.Errorf("%d messages", n)
	}
}

// TestCompute: a tool that only computes is held to that, and to the quota,
// which it gives back whatever happens.
func TestCompute(t *testing.T) {
	c := deploy(t, 1, options{open: 1}).initialize("2025-11-25")
	for range 3 {
		c.call(`1`, "compute", `{}`).wantText(`"id":1,`, `"isError":true`) // it cannot send anything
		c.call(`2`, "compute", `{"panic":true}`).wantText(`"id":2,`, `rror`)
	}
	c.call(`3`, "plain", `{}`).wantText(`"plain"`)
}

// TestPanic: a tool that panics is answered, plainly.
func TestPanic(t *testing.T) {
	c := deploy(t, 1, options{}).initialize("2025-11-25")
	c.call(`1`, "panic", `{}`).wantText(`"id":1,`, `rror`)
	c.call(`2`, "plain", `{}`).wantText(`"plain"`)
}
