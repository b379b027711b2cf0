package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/redis"
)

// The stateless revision.

const allCapabilities = `{"sampling":{},"elicitation":{},"roots":{}}`

// modern sends a request of the stateless revision to the next replica; params
// are the members beside _meta, extra those of _meta.
func (d *deployment) modern(id, method, name, params string, headers ...string) *answer {
	d.t.Helper()
	return d.modernAs(allCapabilities, id, method, name, params, headers...)
}

func (d *deployment) modernAs(capabilities, id, method, name, params string, headers ...string) *answer {
	d.t.Helper()
	if params != "" {
		params = "," + params
	}
	body := `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{"_meta":{"` +
		mcp.MetaKeyProtocolVersion + `":"2026-07-28","` + mcp.MetaKeyLogLevel + `":"info","` +
		mcp.MetaKeyClientInfo + `":{"name":"t","version":"1"},"` + mcp.MetaKeyClientCapabilities + `":` + capabilities + `}` + params + `}}`
	c := &client{deployment: d, version: "2026-07-28"}
	return c.post(body, append([]string{"Mcp-Method", method, "Mcp-Name", name}, headers...)...)
}

func (d *deployment) modernCall(id, tool, arguments string, headers ...string) *answer {
	d.t.Helper()
	return d.modern(id, "tools/call", tool, `"name":"`+tool+`","arguments":`+arguments, headers...)
}

func TestStatelessRequests(t *testing.T) {
	d := deploy(t, 2, options{})
	for range d.replicas {
		d.modernCall(`9007199254740993`, "plain", `{}`).wantStatus(200).wantText(`"id":9007199254740993,`, `"plain"`)
		d.modern(`1`, "server/discover", "", "").wantStatus(200).wantText(`2026-07-28`, `fixture`)
		d.modern(`1`, "tools/list", "", "").wantStatus(200).wantText(`"rounds"`)
		d.modernCall(`1`, "plain", `{}`, "Last-Event-ID", "x.y", "Mcp-Session-Id", "UNKNOWN").wantStatus(200).wantText(`"plain"`)
		if e, _ := d.modernCall(`1`, "send", `{"name":"n","count":1}`).next(); e.hasID || !strings.HasPrefix(logged(t, e), "n 0") {
			t.Errorf("%+v", e)
		}
		d.modernCall(`1`, "send", `{"name":"n","count":500}`).wantText(`"sent"`)
		d.modernCall(`1`, "plain", `{}`, "Mcp-Method", "").wantStatus(400).wantText(fmt.Sprint(mcp.HEADER_MISMATCH))
		d.modernCall(`1`, "plain", `{}`, "Mcp-Method", "tools/list").wantStatus(400).wantText(fmt.Sprint(mcp.HEADER_MISMATCH))
		d.modernCall(`1`, "plain", `{}`, "Mcp-Name", "send").wantStatus(400).wantText(fmt.Sprint(mcp.HEADER_MISMATCH))
		d.modernCall(`1`, "plain", `{}`, "Mcp-Protocol-Version", "").wantStatus(400)
		d.modernCall(`1`, "plain", `{}`, "Mcp-Protocol-Version", "2025-11-25").wantStatus(400)
		d.modernCall(`1`, "plain", `{}`, "Mcp-Protocol-Version", "2099-01-01").wantStatus(400)
		d.modern(`1`, "nonsense", "", "").wantStatus(404).wantText(`-32601`)
		c := &client{deployment: d, version: "2026-07-28"}
		c.get("").wantStatus(405)
		c.send(http.MethodDelete, "").wantStatus(405)
	}
}

// TestStatelessWithoutRedis: a plain call of this revision needs no Redis.
func TestStatelessWithoutRedis(t *testing.T) {
	embedded := redis.NewEmbedded()
	d := deploy(t, 1, options{redis: embedded.Client})
	embedded.Close()
	d.modernCall(`1`, "plain", `{}`).wantStatus(200).wantText(`"plain"`)
	d.modernCall(`1`, "send", `{"name":"n"}`).wantText(`"sent"`)
}

func TestListen(t *testing.T) {
	d := deploy(t, 3, options{})
	listen := func(id, filter string) *answer {
		a := d.modern(id, "subscriptions/listen", "", `"notifications":`+filter)
		e, _ := a.next()
		if !strings.Contains(e.data, mcp.MethodNotificationSubscriptionsAcknowledged) {
			t.Fatalf("the first message is %+v, %d %s", e, a.status, a.text)
		}
		return a
	}
	a := listen(`"l"`, `{"resourceSubscriptions":["test://a"]}`)
	lists := listen(`7`, `{"toolsListChanged":true}`)
	for range 2 * len(d.replicas) {
		d.update("test://b")
		d.update("test://a")
		e, _ := a.next()
		if !strings.Contains(e.data, `"uri":"test://a"`) || !strings.Contains(e.data, mcp.MetaKeySubscriptionID+`":"l"`) || e.hasID {
			t.Errorf("%+v", e)
		}
	}
	for _, r := range d.replicas {
		r.Handler.server.DeleteTools("not there", "plain")
		e, _ := lists.next()
		if !strings.Contains(e.data, mcp.MethodNotificationToolsListChanged) || !strings.Contains(e.data, mcp.MetaKeySubscriptionID+`":7`) {
			t.Errorf("%+v", e)
		}
	}
	for {
		if e, _ := a.raw(); e.comment {
			break
		}
	}
	// Closing the stream ends the subscription.
	count := func() (n int) {
		for _, r := range d.replicas {
			r.listeners.mu.Lock()
			n += len(r.listeners.open)
			r.listeners.mu.Unlock()
		}
		return n
	}
	if count() != 2 {
		t.Errorf("%d listeners", count())
	}
	a.leave()
	eventually(t, "end of the subscription", func() bool { return count() == 1 })
	for _, r := range d.replicas {
		r.EndStreams()
	}
	lists.wantText(`"id":7,`, `"resultType":"complete"`, mcp.MetaKeySubscriptionID+`":7`)
}

// TestStatelessCancel: closing the stream cancels, and nothing else does.
func TestStatelessCancel(t *testing.T) {
	d := deploy(t, 1, options{})
	a := d.modernCall(`1`, "wait", `{"name":"mine"}`)
	a.next()
	for _, version := range []string{"2026-07-28", ""} {
		c := &client{deployment: d, version: version}
		c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"_meta":{"`+mcp.MetaKeyProtocolVersion+`":"2026-07-28"},"requestId":1}}`,
			"Mcp-Method", "notifications/cancelled").wantStatus(http.StatusAccepted)
	}
	d.initialize("2025-11-25").cancel(`1`)
	other := d.modernCall(`1`, "wait", `{"name":"other"}`)
	other.next()
	other.leave()
	eventually(t, "end of the other", func() bool { ended, cause := d.fixture.outcome("other"); return ended && cause != nil })
	if ended, _ := d.fixture.outcome("mine"); ended {
		t.Error("cancelled by a stranger")
	}
	d.fixture.release("mine")
	a.wantText("released mine")
}

func TestStatelessLimit(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Limit = 400 * time.Millisecond
	d := deploy(t, 1, options{timing: timing})
	d.modernCall(`1`, "wait", `{"name":"loud"}`).wantText(`"id":1,`, `"error"`, `limited to 400ms`)
	d.modernCall(`2`, "wait", `{"name":"quiet","silent":true}`).wantText(`"id":2,`, `"error"`, `limited to 400ms`)
	d.modern(`3`, "subscriptions/listen", "", `"notifications":{"resourceSubscriptions":["test://a"]}`).wantText(`"id":3,`, `"resultType":"complete"`)
	for _, name := range []string{"loud", "quiet"} {
		eventually(t, "end of "+name, func() bool { ended, cause := d.fixture.outcome(name); return ended && errors.Is(cause, errLimit) })
	}
}

// TestRounds: the state of a request goes through its client, sealed.
func TestRounds(t *testing.T) {
	d := deploy(t, 3, options{})
	first := d.modernCall(`1`, "rounds", `{"a":1}`).wantStatus(200)
	var m struct {
		Result struct{ RequestState, ResultType string }
	}
	if err := json.Unmarshal([]byte(first.text), &m); err != nil || m.Result.ResultType != "input_required" || m.Result.RequestState == "" {
		t.Fatalf("%s", first.text)
	}
	state := m.Result.RequestState
	if strings.Contains(state, "secret") {
		t.Errorf("the state is open to read: %s", state)
	}
	again := func(arguments, state string, headers ...string) *answer {
		return d.modern(`1`, "tools/call", "rounds", `"name":"rounds","arguments":`+arguments+`,"requestState":"`+state+
			`","inputResponses":{"q":{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}}`, headers...)
	}
	for range d.replicas {
		again(`{"a":1}`, state).wantStatus(200).wantText("state: the secret")
	}
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	for name, a := range map[string]*answer{
		"tampered":          again(`{"a":1}`, string(flipped)),
		"cut":               again(`{"a":1}`, state[:len(state)-4]),
		"made up":           again(`{"a":1}`, "1.AAAA"),
		"plain":             again(`{"a":1}`, "the secret"),
		"other arguments":   again(`{"a":2}`, state),
		"another principal": again(`{"a":1}`, state, principalHeader, "stranger"),
		"too long":          again(`{"a":1}`, "1."+strings.Repeat("A", longestState)),
	} {
		if a.status != 400 || !strings.Contains(a.text, "requestState is not valid") {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	a := d.modernAs(`{}`, `1`, "tools/call", "rounds", `"name":"rounds","arguments":{}`).wantStatus(400)
	a.wantText(fmt.Sprint(mcp.MISSING_REQUIRED_CLIENT_CAPABILITY), `"sampling"`)
}

type fixedSecret struct{}

func (fixedSecret) Secret(context.Context) ([]byte, error) { return make([]byte, 32), nil }

func TestStateExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sealer{store: fixedSecret{}}
		sealed, err := s.seal(t.Context(), "state", []byte("binding"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(sealedFor - time.Second)
		if state, err := s.open(t.Context(), sealed, []byte("binding")); err != nil || state != "state" {
			t.Errorf("before its end: %q, %v", state, err)
		}
		time.Sleep(2 * time.Second)
		if _, err := s.open(t.Context(), sealed, []byte("binding")); !errors.Is(err, errState) {
			t.Errorf("after its end: %v", err)
		}
	})
}
