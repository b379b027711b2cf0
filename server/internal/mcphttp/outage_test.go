package mcphttp

import (
	"net/http"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// Redis is away, or silent.
func TestRedisOutage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		begin, end func(*redistest.Server)
	}{
		{"paused", (*redistest.Server).Pause, (*redistest.Server).Resume},
		{"killed", (*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			timing := quick
			timing.Store = 30 * time.Second
			server := redistest.Start(t)
			d := deploy(t, 2, options{timing: timing, redis: func() *redis.Client { return redis.Open(redis.Options{Address: server.Addr}) }})
			c := d.initialize("2025-11-25")
			c.subscribe("test://a")
			running := c.call(`1`, "wait", `{"name":"running"}`)
			running.next()
			asking := c.call(`2`, "sample", `{}`)
			id, _, _ := question(t, asking)
			listening := c.get("")
			listening.raw()
			leaving := c.get("") // it delivers, until its client leaves during the outage
			leaving.raw()
			for range d.replicas {
				c.call(`3`, "plain", `{}`).wantText(`"plain"`)
			}

			var slowest time.Duration
			test.begin(server)
			leaving.leave()
			for round := range 2 {
				for _, request := range []struct {
					name string
					send func() *answer
				}{
					{"GET", func() *answer { return c.get("") }}, // the first is sent: that it had no effect is not known
					{"a call that sends", func() *answer { return c.call(`4`, "send", `{"name":"n"}`) }},
					{"another session", func() *answer { return (&client{deployment: d, session: "UNKNOWN"}).call(`5`, "plain", `{}`) }},
					{"initialize", func() *answer {
						return (&client{deployment: d}).post(`{"jsonrpc":"2.0","id":6,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
					}},
					{"level", func() *answer {
						return c.post(`{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"info"}}`)
					}},
					{"answer", func() *answer { return c.post(response(id, `{}`)) }},
				} {
					name, start := request.name, time.Now()
					a := request.send()
					took := time.Since(start)
					slowest = max(slowest, took)
					a.wantStatus(http.StatusServiceUnavailable).wantText(`"error"`, `store is unavailable`)
					if a.header.Get("Retry-After") == "" || took > 3*time.Second { // 2 s, and some for a busy machine
						t.Errorf("round %d: %s took %v, Retry-After %q", round, name, took, a.header.Get("Retry-After"))
					}
				}
			}
			d.fixture.release("running") // its result waits for Redis
			t.Logf("the slowest answer took %v", slowest)

			test.end(server)
			start := time.Now()
			eventually(t, "service", func() bool { return c.call(`8`, "send", `{"name":"n"}`).all().status == http.StatusOK })
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("served again after %v", took)
			} else {
				t.Logf("served again after %v", took)
			}
			running.wantText(`"id":1,`, "released running")
			c.post(response(id, `{"role":"assistant","content":{"type":"text","text":"late"},"model":"m"}`)).wantStatus(http.StatusAccepted)
			asking.wantText(`"late"`)
			d.update("test://a")
			listening.wantNext(updateOf("test://a"))
		})
	}
}

// TestSlowedTool: a tool that sends while Redis is away is slowed down, and
// nothing of it is missing afterwards; when it takes too long, the tool is told.
func TestSlowedTool(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Store = 2 * time.Second
	server := redistest.Start(t)
	d := deploy(t, 2, options{timing: timing, redis: func() *redis.Client { return redis.Open(redis.Options{Address: server.Addr}) }})
	c := d.initialize("2025-11-25")
	a := c.call(`1`, "send", `{"name":"n","count":4000,"size":300}`)
	a.next()
	server.Restart()
	n := 1
	for e := range a.each() {
		if a.text = e.data; n < 4000 {
			logged(t, e)
		}
		n++
	}
	a.wantText(`"sent"`)
	if n != 4001 {
		t.Errorf("%d messages", n)
	}

	eventually(t, "service", func() bool { return c.call(`2`, "send", `{"name":"n"}`).all().status == http.StatusOK })
	b := c.call(`3`, "send", `{"name":"n","count":8000,"size":300}`)
	b.next()
	server.Kill()
	b.wantText(`"isError":true`, `message `)
}
