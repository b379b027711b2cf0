package mcphttp

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Point 3: requests to the client go out on the stream of their call, and the
// answer may be posted anywhere.

// question reads the request that the server asks on a call's stream.
func question(t *testing.T, a *answer) (id, method, text string) {
	t.Helper()
	e, ok := a.next()
	var m struct{ ID, Method string }
	if err := json.Unmarshal([]byte(e.data), &m); !ok || err != nil || m.ID == "" || m.Method == "" {
		t.Fatalf("not a request: %+v", e)
	}
	return m.ID, m.Method, e.data
}

func response(id, result string) string {
	return `{"jsonrpc":"2.0","id":"` + id + `","result":` + result + `}`
}

func TestQuestions(t *testing.T) {
	d := deploy(t, 3, options{})
	for _, version := range sessionful {
		c, stranger := d.initialize(version), d.initialize(version)
		for tool, want := range map[string][2]string{
			"sample": {`{"role":"assistant","content":{"type":"text","text":"an answer"},"model":"m"}`, `"an answer"`},
			"elicit": {`{"action":"decline"}`, `"decline"`},
			"roots":  {`{"roots":[{"uri":"file:///r","name":"the root"}]}`, `"the root"`},
		} {
			a := c.call(`1`, tool, `{}`)
			id, _, text := question(t, a)
			if tool == "sample" && !strings.Contains(text, `"temperature":0,`) {
				t.Errorf("the zero temperature is gone: %s", text)
			}
			stranger.post(response(id, want[0])).wantStatus(http.StatusBadRequest)
			c.post(response("x"+id, want[0])).wantStatus(http.StatusBadRequest)

			var accepted atomic.Int32
			var answers sync.WaitGroup
			for _, r := range d.replicas { // the first answer wins
				rq := c.request(http.MethodPost, r.url, response(id, want[0]))
				answers.Go(func() {
					if receive(t, rq, r).status == http.StatusAccepted {
						accepted.Add(1)
					}
				})
			}
			answers.Wait()
			if n := accepted.Load(); n != 1 {
				t.Errorf("%d answers to %s were accepted", n, tool)
			}
			a.wantText(`"id":1,`, want[1])
			c.post(response(id, want[0])).wantStatus(http.StatusBadRequest)
		}
		a := c.call(`2`, "sample", `{}`)
		id, _, _ := question(t, a)
		c.post(`{"jsonrpc":"2.0","id":"` + id + `","error":{"code":-1,"message":"not today"}}`).wantStatus(http.StatusAccepted)
		a.wantText(`refused`, `not today`)
	}
}

// TestQuestionAfterCancel: the answer to a call that is over is refused.
func TestQuestionAfterCancel(t *testing.T) {
	c := deploy(t, 2, options{}).initialize("2025-11-25")
	a := c.call(`1`, "sample", `{}`)
	id, _, _ := question(t, a)
	c.cancel(`1`)
	a.wantEnd()
	eventually(t, "refusal", func() bool { return c.post(response(id, `{}`)).status == http.StatusBadRequest })
}

func TestQuestionWithoutCapability(t *testing.T) {
	d := deploy(t, 2, options{})
	c := &client{deployment: d, version: "2025-11-25"}
	a := c.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	c.session = a.header.Get("Mcp-Session-Id")
	for _, tool := range []string{"sample", "elicit", "roots"} {
		c.call(`1`, tool, `{}`).wantText(`does not support`)
	}
}

// TestQuestionUnanswered: silence is an error to the tool.
func TestQuestionUnanswered(t *testing.T) {
	timing := quick
	timing.Answer = quick.Promote
	c := deploy(t, 1, options{timing: timing}).initialize("2025-11-25")
	a := c.call(`1`, "sample", `{}`)
	question(t, a)
	a.wantText(`did not answer in time`)
}
