package mcphttp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// Point 4: the GET stream.

func (c *client) subscribe(uri string) {
	c.t.Helper()
	c.post(`{"jsonrpc":"2.0","id":"s","method":"resources/subscribe","params":{"uri":"` + uri + `"}}`).wantText(`"result":{}`)
}

// update has some session change a resource, on any replica.
func (d *deployment) update(uri string) {
	d.t.Helper()
	d.initialize("2025-06-18").call(`1`, "update", `{"uri":"`+uri+`"}`).wantText(`"updated"`)
}

func updateOf(uri string) string {
	return `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"` + uri + `"}}`
}

func (a *answer) wantNext(data string) sse {
	a.t.Helper()
	e, ok := a.next()
	if !ok || e.data != data {
		a.t.Errorf("got %+v, want %s", e, data)
	}
	return e
}

func TestGetStream(t *testing.T) {
	t.Parallel()
	d := deploy(t, 3, options{})
	for _, version := range sessionful {
		c := d.initialize(version)
		c.subscribe("test://a")
		a := c.get("")
		first, _ := a.raw()
		if primed := first.id == "out.0" && first.data == "" && first.retry != ""; primed != (version == "2025-11-25") {
			t.Errorf("%s: the first event is %+v", version, first)
		}
		d.update("test://a")
		d.update("test://b")
		d.update("test://a")
		a.wantNext(updateOf("test://a"))
		if e := a.wantNext(updateOf("test://a")); e.id != "out.2" {
			t.Errorf("the id is %q", e.id)
		}
		for {
			if e, ok := a.raw(); !ok || e.comment {
				break
			} else if e.data != "" {
				t.Errorf("an event %+v", e)
			}
		}
	}
}

// TestGetStreamsOfASession: the newest delivers, older ones are silent but open,
// and the oldest of too many ends.
func TestGetStreamsOfASession(t *testing.T) {
	d := deploy(t, 3, options{})
	c := d.initialize("2025-11-25")
	c.subscribe("test://a")
	var open []*answer
	for range session.DefaultLimits.GetStreams + 1 {
		a := c.get("")
		a.raw()
		open = append(open, a)
	}
	open[0].wantEnd()
	newest := open[len(open)-1]
	d.update("test://a")
	newest.wantNext(updateOf("test://a"))
	newest.leave()
	for range newest.events { // until it is closed
	}
	d.update("test://a")
	if e := open[len(open)-2].wantNext(updateOf("test://a")); e.id != "out.2" {
		t.Errorf("the older stream goes on with %+v", e)
	}
	for _, a := range open[1 : len(open)-2] {
		for len(a.events) > 0 {
			if e, ok := a.raw(); !ok || e.data != "" {
				t.Errorf("an older stream got %+v, %v", e, ok)
			}
		}
	}
}

// Point 8: who is away misses nothing and gets nothing twice.
func TestSubscriberAway(t *testing.T) {
	d := deploy(t, 3, options{})
	c, stranger := d.initialize("2025-06-18"), d.initialize("2025-06-18")
	c.subscribe("test://a")
	stranger.subscribe("test://b")
	for i := range 3 {
		d.update("test://a")
		a := c.get("")
		a.wantNext(updateOf("test://a"))
		d.update("test://a")
		if e := a.wantNext(updateOf("test://a")); e.id != fmt.Sprintf("out.%d", 2*i+2) {
			t.Errorf("got %+v", e)
		}
		// The note of what was delivered follows the delivery.
		eventually(t, "note of the delivery", func() bool {
			g, err := d.replicas[0].sessions.OpenGet(t.Context(), c.session, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close(t.Context())
			return g.Cursor().Number == int64(2*i+2)
		})
		a.leave()
	}
	// By a cursor it gets again what it says it has not.
	a := c.get("out.4")
	a.wantNext(updateOf("test://a"))
	a.wantNext(updateOf("test://a"))
	a.leave()
	c.post(`{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"test://a"}}`).wantText(`"result":{}`)
	d.update("test://a")
	d.update("test://b")
	stranger.get("").wantNext(updateOf("test://b"))
	c.subscribe("test://b")
	d.update("test://b")
	c.get("").wantNext(updateOf("test://b"))
}

// Point 5: resumption.

func TestResume(t *testing.T) {
	d := deploy(t, 3, options{})
	for _, version := range sessionful {
		c := d.initialize(version)
		a := c.call(`1`, "wait", `{"name":"`+version+`"}`)
		e, _ := a.next()
		a.leave()
		var live []*answer
		for range d.replicas { // the replica that runs the call is among them
			r := c.get(e.id)
			first, _ := r.raw()
			if primed := first.id == e.id && first.data == "" && first.retry != ""; primed != (version == "2025-11-25") {
				t.Errorf("%s: the first event of a resumption is %+v", version, first)
			}
			live = append(live, r)
		}
		d.fixture.release(version)
		var last sse
		for _, r := range live {
			e, ok := r.next()
			if !ok || !strings.Contains(e.data, "released") || !strings.Contains(e.data, `"id":1,`) {
				t.Errorf("%s: the result is %+v", version, e)
			}
			r.wantEnd()
			last = e
		}
		again := c.get(e.id)
		if e, ok := again.next(); !ok || e != last {
			t.Errorf("%s: replayed %+v, want %+v", version, e, last)
		}
		c.get(last.id).wantStatus(http.StatusMethodNotAllowed)
		d.initialize(version).get(e.id).wantStatus(http.StatusBadRequest) // of another session
	}
}

// TestPromotion: a call that is not answered soon becomes a stream that can be
// resumed; a revision without empty events gets comments.
func TestPromotion(t *testing.T) {
	t.Parallel()
	d := deploy(t, 2, options{})
	for _, version := range sessionful {
		c := d.initialize(version)
		a := c.call(`1`, "wait", `{"silent":true,"name":"p`+version+`"}`)
		first, _ := a.raw()
		comments, ids := 0, 0
		for comments < 3 {
			if first.hasID {
				ids++
			}
			if first.comment {
				comments++
			}
			if first.data != "" {
				t.Errorf("%s: %+v", version, first)
			}
			first, _ = a.raw()
		}
		if primed := ids == 1; primed != (version == "2025-11-25") {
			t.Errorf("%s: %d events with an id", version, ids)
		}
		d.fixture.release("p" + version)
		e, _ := a.next()
		if !strings.Contains(e.data, "released") || e.id == "" {
			t.Errorf("%s: %+v", version, e)
		}
		a.wantEnd()
	}
}

// TestLimit: a stream ends before the ingress would cut it, in a way that the
// client resumes, as often as it takes.
func TestLimit(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Limit = 500 * time.Millisecond
	d := deploy(t, 3, options{timing: timing})
	c := d.initialize("2025-11-25")
	a := c.call(`1`, "wait", `{"name":"long","silent":true}`)
	id := ""
	for range 3 {
		start := time.Now()
		for {
			e, ok := a.raw()
			if !ok {
				break
			}
			if e.data != "" {
				t.Fatalf("%+v", e)
			}
			if e.hasID {
				id = e.id
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("a stream lasted %v", d)
		}
		a = c.get(id).wantStatus(http.StatusOK)
	}
	d.fixture.release("long")
	a.wantText("released long")

	// Nothing to resume from: the limit is an error.
	old := d.initialize("2025-06-18").call(`2`, "wait", `{"name":"old","silent":true}`)
	old.wantText(`"id":2,`, `limited to 500ms`)
	eventually(t, "end of the tool", func() bool { ended, cause := d.fixture.outcome("old"); return ended && errors.Is(cause, errLimit) })
	listening := c.get("")
	listening.raw()
	listening.wantEnd()
}

// TestErrorOnStream: before any event an error is plain, on a stream it has an id.
func TestErrorOnStream(t *testing.T) {
	d := deploy(t, 1, options{})
	c := d.initialize("2025-11-25")
	a := c.call(`1`, "nonsense", `{}`)
	if a.events != nil || !strings.Contains(a.text, `"error"`) {
		t.Errorf("%d %s", a.status, a.text)
	}
	stream := c.call(`2`, "wait", `{"name":"e"}`)
	stream.next()
	d.replicas[0].calls.cancelAll(errLost)
	e, _ := stream.next()
	if !strings.Contains(e.data, `"error"`) || number(t, e.id) != 3 {
		t.Errorf("%+v", e)
	}
	c.get(e.id).wantStatus(http.StatusMethodNotAllowed)
}

// Point 6: cancellation.

func TestCancel(t *testing.T) {
	d := deploy(t, 3, options{})
	c, stranger := d.initialize("2025-11-25"), d.initialize("2025-11-25")
	for i := range d.replicas { // the cancel arrives on each in turn
		name := fmt.Sprint("c", i)
		id := fmt.Sprintf(`"x%d"`, i) // a late cancellation may arrive as late as in the next round
		a := c.sendTo(d.replicas[0], http.MethodPost, toolCall(id, "wait", `{"name":"`+name+`"}`))
		e, _ := a.next()
		stranger.cancel(id)
		c.cancel(`"y"`)
		if ended, _ := d.fixture.outcome(name); ended {
			t.Fatal("cancelled by a stranger")
		}
		c.sendTo(d.replicas[i], http.MethodPost, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`,"reason":"r"}}`).
			wantStatus(http.StatusAccepted)
		a.wantEnd()
		eventually(t, "cancellation", func() bool { ended, cause := d.fixture.outcome(name); return ended && errors.Is(cause, errCancelled) })
		c.get(e.id).wantStatus(http.StatusMethodNotAllowed) // nothing is to come
		c.cancel(id)                                        // late
		c.call(`"z"`, "plain", `{}`).wantText(`"plain"`)
	}
}

// TestCancelBeforeAnyEvent: the POST ends at once, with no body.
func TestCancelBeforeAnyEvent(t *testing.T) {
	timing := quick
	timing.Promote = time.Minute
	d := deploy(t, 2, options{timing: timing})
	c := d.initialize("2025-11-25")
	rq, r := c.request(http.MethodPost, d.replicas[0].url, toolCall(`1`, "wait", `{"name":"q","silent":true}`)), d.replicas[0]
	got := make(chan *answer, 1)
	go func() { got <- receive(t, rq, r) }()
	eventually(t, "call", func() bool { return d.fixture.running("q") })
	c.cancel(`1`)
	if a := <-got; a.status != http.StatusAccepted || a.text != "" {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// TestDisconnect: a client that leaves does not stop its call.
func TestDisconnect(t *testing.T) {
	d := deploy(t, 2, options{})
	for _, version := range sessionful {
		c, name := d.initialize(version), "d"+version
		a := c.call(`1`, "wait", `{"name":"`+name+`"}`)
		e, _ := a.next()
		a.leave()
		for range a.events {
		}
		if ended, _ := d.fixture.outcome(name); ended {
			t.Fatal("the call ended with its connection")
		}
		d.fixture.release(name)
		eventually(t, "end", func() bool { ended, cause := d.fixture.outcome(name); return ended && cause == nil })
		c.send(http.MethodGet, "", mcp.HeaderLastEventID, e.id).wantText("released " + name)
	}
}
