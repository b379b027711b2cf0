package mcphttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

var sessionful = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// Point 1: a session made on one replica is served by all.

func TestSessionOnEveryReplica(t *testing.T) {
	d := deploy(t, 3, options{})
	for _, version := range sessionful {
		c := d.initialize(version)
		c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`).wantStatus(http.StatusAccepted)
		for range d.replicas {
			c.call(`1`, "plain", `{}`).wantStatus(http.StatusOK).wantText(`"id":1,`, `"plain"`)
			c.post(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`).wantText(`"rounds"`)
			c.post(`{"jsonrpc":"2.0","id":3,"method":"resources/list"}`).wantText(`test://a`)
			c.post(`{"jsonrpc":"2.0","id":4,"method":"ping"}`).wantText(`"result":{}`)
			c.post(`{"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":"test://a"}}`).wantText(`"result":{}`)
			c.post(`{"jsonrpc":"2.0","id":6,"method":"nonsense"}`).wantText(`-32601`)
		}
		// The level holds on all replicas once it is acknowledged.
		for _, level := range []string{"error", "debug", "critical", "info"} {
			c.post(`{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"` + level + `"}}`).wantText(`"result":{}`)
			for range d.replicas {
				a := c.call(`8`, "send", `{"name":"n"}`)
				if heard := a.events != nil; heard != (level == "debug" || level == "info") {
					t.Errorf("at level %s a log of level info was heard: %v", level, heard)
				}
				a.wantText(`"sent"`)
			}
		}
	}
}

func TestRequestIDs(t *testing.T) {
	c := deploy(t, 2, options{}).initialize("2025-11-25")
	for _, id := range []string{`1`, `"1"`, `0`, `-7`, `9007199254740993`, `12345678901234567890123`, `1.50`, `""`, `"a\"b"`, `"ü"`} {
		for _, tool := range []string{"plain", "send"} {
			c.call(id, tool, `{}`).wantText(`"id":` + id + `,`)
		}
		c.post(`{"jsonrpc":"2.0","id":` + id + `,"method":"nonsense"}`).wantText(`"id":` + id + `,`)
	}
	for _, id := range []string{`null`, `true`, `{}`, `[1]`} {
		c.post(`{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}`).wantStatus(http.StatusBadRequest)
	}
}

func TestDeleteEndsEverywhere(t *testing.T) {
	d := deploy(t, 3, options{})
	c := d.initialize("2025-11-25")
	loud := c.call(`1`, "wait", `{"name":"loud"}`)
	loud.next()
	var quiet *answer
	received := make(chan struct{})
	r := d.next()
	go func() {
		defer close(received)
		quiet = c.sendTo(r, http.MethodPost, toolCall(`2`, "wait", `{"name":"quiet","silent":true}`))
	}()
	listening := c.get("")
	listening.raw()
	eventually(t, "calls", func() bool { return d.fixture.running("loud") && d.fixture.running("quiet") })

	c.send(http.MethodDelete, "").wantStatus(http.StatusNoContent)
	for range d.replicas {
		c.call(`3`, "plain", `{}`).wantStatus(http.StatusNotFound)
		c.get("").wantStatus(http.StatusNotFound)
		c.send(http.MethodDelete, "").wantStatus(http.StatusNotFound)
	}
	for _, name := range []string{"loud", "quiet"} {
		eventually(t, "end of "+name, func() bool { ended, cause := d.fixture.outcome(name); return ended && errors.Is(cause, errEnded) })
	}
	loud.wantEnd()
	listening.wantEnd()
	<-received
	if quiet.events == nil { // else it had become a stream
		quiet.wantStatus(http.StatusNotFound)
	}
}

func TestRefusals(t *testing.T) {
	d := deploy(t, 2, options{})
	c := d.initialize("2025-11-25")
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, test := range []struct {
		name, method, body string
		status             int
		headers            []string
	}{
		{"no session", "POST", ping, 400, []string{"Mcp-Session-Id", ""}},
		{"no session", "GET", "", 400, []string{"Mcp-Session-Id", ""}},
		{"no session", "DELETE", "", 400, []string{"Mcp-Session-Id", ""}},
		{"unknown session", "POST", ping, 404, []string{"Mcp-Session-Id", "UNKNOWN"}},
		{"unknown session", "GET", "", 404, []string{"Mcp-Session-Id", "UNKNOWN"}},
		{"unknown session", "DELETE", "", 404, []string{"Mcp-Session-Id", "UNKNOWN"}},
		{"malformed session", "POST", ping, 404, []string{"Mcp-Session-Id", "{x}"}},
		{"a stranger", "POST", ping, 404, []string{principalHeader, "stranger"}},
		{"a stranger", "GET", "", 404, []string{principalHeader, "stranger"}},
		{"a stranger", "DELETE", "", 404, []string{principalHeader, "stranger"}},
		{"unknown version", "POST", ping, 400, []string{"Mcp-Protocol-Version", "2024-01-01"}},
		{"unknown version", "POST", ping, 400, []string{"Mcp-Protocol-Version", "banana"}},
		{"unknown version", "POST", ping, 400, []string{"Mcp-Protocol-Version", "2099-01-01"}},
		{"unknown version", "GET", "", 400, []string{"Mcp-Protocol-Version", "banana"}},
		{"unknown version", "DELETE", "", 400, []string{"Mcp-Protocol-Version", "1999-01-01"}},
		{"unknown version", "POST", "[" + ping + "]", 400, []string{"Mcp-Protocol-Version", "banana"}},
		{"no version", "POST", ping, 200, []string{"Mcp-Protocol-Version", ""}},
		{"accept JSON alone", "POST", ping, 406, []string{"Accept", "application/json"}},
		{"accept events alone", "POST", ping, 406, []string{"Accept", "text/event-stream"}},
		{"accept neither", "POST", ping, 406, []string{"Accept", "text/html"}},
		{"accept nothing", "POST", ping, 406, []string{"Accept", "application/json, text/event-stream;q=0.00"}},
		{"accept anything", "POST", ping, 200, []string{"Accept", "*/*"}},
		{"accept by kind", "POST", ping, 200, []string{"Accept", "Application/*;q=0.5 , text/event-stream; q=0.1"}},
		{"accept JSON", "GET", "", 406, []string{"Accept", "application/json"}},
		{"content type", "POST", ping, 415, []string{"Content-Type", "text/plain"}},
		{"content type", "POST", ping, 200, []string{"Content-Type", "application/json; charset=utf-8"}},
		{"method", "PUT", ping, 405, nil},
		{"not JSON", "POST", `{`, 400, nil},
		{"nothing", "POST", ``, 400, nil},
		{"not a message", "POST", `{"jsonrpc":"2.0"}`, 400, nil},
		{"a cursor of another form", "GET", "", 400, []string{"Last-Event-ID", "x"}},
		{"a cursor of nothing", "GET", "", 400, []string{"Last-Event-ID", "UNKNOWN_1.7"}},
		{"a cursor of the future", "GET", "", 400, []string{"Last-Event-ID", "out.7"}},
		{"answer to nothing", "POST", `{"jsonrpc":"2.0","id":"x","result":{}}`, 400, nil},
		{"answer to nothing", "POST", `{"jsonrpc":"2.0","id":1,"result":{}}`, 400, nil},
		{"cancel of nothing", "POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}`, 400, nil},
		{"cancel of an unknown request", "POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`, 202, nil},
	} {
		a := c.send(test.method, test.body, test.headers...)
		if a.wantStatus(test.status); a.status != test.status {
			t.Errorf("%s: %s %s %q", test.name, test.method, test.body, test.headers)
		}
		if test.status >= 400 {
			var e struct{ Error struct{ Message string } }
			if json.Unmarshal([]byte(a.text), &e) != nil || e.Error.Message == "" {
				t.Errorf("%s: not a JSON-RPC error: %s", test.name, a.text)
			}
		}
	}
}

func TestFailedInitialize(t *testing.T) {
	d := deploy(t, 1, options{})
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":"x"}`,
		`[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}]`,
	} {
		a := (&client{deployment: d}).post(body).wantStatus(http.StatusBadRequest)
		if id := a.header.Get("Mcp-Session-Id"); id != "" {
			t.Errorf("a failed initialize made session %s", id)
		}
	}
}

func TestTooManySessions(t *testing.T) {
	limits := session.DefaultLimits
	limits.SessionsPerPrincipal = 2
	d := deploy(t, 2, options{limits: limits})
	d.initialize("2025-11-25")
	second := d.initialize("2025-11-25")
	initialize := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	a := (&client{deployment: d}).post(initialize).wantStatus(http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	(&client{deployment: d, principal: "another"}).post(initialize).wantStatus(http.StatusOK)
	second.send(http.MethodDelete, "").wantStatus(http.StatusNoContent)
	(&client{deployment: d}).post(initialize).wantStatus(http.StatusOK)
}

func TestBatch(t *testing.T) {
	d := deploy(t, 2, options{})
	c := d.initialize("2025-03-26")
	a := c.post(`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},` + toolCall(`"b"`, "plain", `{}`) + `]`)
	if want := `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"b","result":`; !strings.HasPrefix(a.text, want) {
		t.Errorf("%d %s", a.status, a.text)
	}
	streamed := c.post(`[` + toolCall(`1`, "send", `{"name":"n","count":2}`) + `,` + toolCall(`2`, "plain", `{}`) + `]`)
	var got []string
	for e := range streamed.each() {
		got = append(got, e.data[:min(len(e.data), 22)])
	}
	if len(got) != 3 || !strings.HasPrefix(got[2], `[{"jsonrpc":"2.0","id"`) {
		t.Errorf("streamed: %q", got)
	}
	c.post(`[{"jsonrpc":"2.0","method":"notifications/initialized"}]`).wantStatus(http.StatusAccepted)
	for _, body := range []string{`[]`, `[1]`, `[{}]`, `[`, `[` + strings.Join(slices.Repeat([]string{`{"jsonrpc":"2.0","id":1,"method":"ping"}`}, 101), ",") + `]`} {
		c.post(body).wantStatus(http.StatusBadRequest)
	}
	d.initialize("2025-11-25").post(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`).wantStatus(http.StatusBadRequest)
	d.initialize("2025-11-25").post(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "Mcp-Protocol-Version", "").wantStatus(http.StatusBadRequest)
}
