package mcphttp

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// Point 7, as far as a replica is there to do its part; the server's tests kill
// and pause processes.

// TestDrain: streams that wait for events end, running calls finish, and what
// is left at the limit is told of its loss.
func TestDrain(t *testing.T) {
	d := deploy(t, 3, options{})
	c := d.initialize("2025-11-25")
	ending := d.replicas[0]
	finishing := c.sendTo(ending, http.MethodPost, toolCall(`1`, "wait", `{"name":"finishing"}`))
	lost := c.sendTo(ending, http.MethodPost, toolCall(`2`, "wait", `{"name":"lost"}`))
	away := c.sendTo(ending, http.MethodPost, toolCall(`3`, "wait", `{"name":"away"}`))
	listening := c.sendTo(ending, http.MethodGet, "")
	finishing.next()
	e, _ := lost.next()
	cursor, _ := away.next()
	away.leave()

	ending.EndStreams()
	ending.EndStreams() // as often as one likes
	start := time.Now()
	listening.raw()
	listening.wantEnd()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the GET stream ended after %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan struct{})
	go func() { defer close(finished); ending.Finish(ctx) }()
	d.fixture.release("finishing")
	finishing.wantText(`"id":1,`, "released finishing")
	cancel()
	lost.wantText(`"id":2,`, `-32000`, `result is lost`)
	<-finished
	c.sendTo(d.replicas[1], http.MethodGet, "", "Last-Event-ID", e.id).wantText(`"id":2,`, `result is lost`)
	c.sendTo(d.replicas[2], http.MethodGet, "", "Last-Event-ID", cursor.id).wantText(`"id":3,`, `result is lost`)
}

// TestLostReplica: whoever waits on a stream of a replica that is gone is told.
func TestLostReplica(t *testing.T) {
	d := deploy(t, 3, options{})
	c := d.initialize("2025-03-26")
	a := c.sendTo(d.replicas[0], http.MethodPost, `[`+toolCall(`1`, "wait", `{"name":"l"}`)+`,`+toolCall(`"b"`, "plain", `{}`)+`]`)
	e, _ := a.next()
	waiting := c.sendTo(d.replicas[1], http.MethodGet, "", "Last-Event-ID", e.id)
	d.replicas[0].stop() // its part in the deployment ends; the call hangs on
	for _, r := range []*answer{waiting, c.sendTo(d.replicas[2], http.MethodGet, "", "Last-Event-ID", e.id)} {
		r.wantText(`[{"jsonrpc":"2.0","id":1,"error"`, `"id":"b","error"`, `result is lost`)
	}
	d.fixture.release("l")
	a.wantText(`[{"jsonrpc":"2.0","id":1,"error"`, `result is lost`) // one end, whoever writes it
}
