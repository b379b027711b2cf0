package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// recorder stores what a call sends and writes it to the client that is
// attached, if one is. One goroutine at a time runs it.
type recorder struct {
	call    *call
	w       http.ResponseWriter // nil when no client is attached
	r       *http.Request
	started time.Time
	out     *eventWriter // nil before the reply became a stream
	pending []mcp.JSONRPCNotification
	acked   bool // a listen stream's acknowledgement was sent
	missing bool // something that the tool sent was not stored

	promote, limit  *time.Timer
	heartbeat, keep *time.Ticker
}

// detach leaves the client. It must not be touched after its HTTP request is
// over.
func (rec *recorder) detach() {
	if rec.out != nil {
		rec.out.close()
	}
	rec.w, rec.r, rec.out = nil, nil, nil
}

// run serves the call until its end, or, with a client attached, until that
// client has to be left: then it returns true, and is to be run again.
func (rec *recorder) run() (unfinished bool) {
	c := rec.call
	var left <-chan struct{}
	attached := rec.w != nil
	if attached {
		left = rec.r.Context().Done()
		rec.promote = time.NewTimer(c.handler.timing.Promote)
	}
	defer rec.stopTimers()
	if rec.streaming() || !attached {
		rec.startTimers()
	}
	var notifications chan mcp.JSONRPCNotification
	if !attached {
		notifications = c.made()
	}
	for {
		if attached && rec.w == nil {
			return true
		}
		select {
		case <-c.wanted:
			notifications = c.made()
		case n := <-notifications:
			rec.send(n, notifications)
		case a := <-c.asks:
			rec.drain(notifications)
			a.sent <- rec.ask(a)
		case <-c.listened():
			rec.deliverUpdates()
		case <-timer(rec.promote):
			rec.becomeStream()
		case <-ticks(rec.heartbeat):
			rec.beat()
		case <-ticks(rec.keep):
			rec.keepAlive()
		case <-timer(rec.limit):
			if c.stream != nil && rec.resumable() {
				rec.detach()
			} else {
				c.cancel(errLimit)
			}
		case <-c.drained():
			c.cancel(errLimit)
		case <-left:
			left = nil
			if c.stream == nil {
				c.cancel(errLeft)
			} else {
				rec.detach()
			}
		case <-c.ctx.Done():
			rec.end(context.Cause(c.ctx))
			return false
		case r := <-c.reply:
			c.refuseMore()
			rec.drain(c.made())
			if c.ctx.Err() != nil {
				continue // the last of it could not be stored
			}
			rec.finish(r)
			return false
		}
	}
}

// made is the notification channel, if the tool has wanted one.
func (c *call) made() chan mcp.JSONRPCNotification {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notifications
}

func (rec *recorder) streaming() bool {
	return rec.out != nil || rec.call.stream != nil && rec.call.stream.Opened()
}

// resumable reports whether the attached client knows where to go on from.
func (rec *recorder) resumable() bool {
	return rec.out != nil && rec.call.stream.Opened() && (rec.primes() || rec.call.stream.Last().Number > 1)
}

// primes reports whether the client's revision knows events without data.
func (rec *recorder) primes() bool {
	return rec.call.peer.record.Protocol >= mcp.ProtocolVersion20251125
}

// send stores and writes a notification and whatever has come behind it.
func (rec *recorder) send(n mcp.JSONRPCNotification, more chan mcp.JSONRPCNotification) {
	rec.pending = append(rec.pending[:0], n)
	for len(rec.pending) < encodedBatch {
		select {
		case n := <-more:
			rec.pending = append(rec.pending, n)
			continue
		default:
		}
		break
	}
	rec.call.freeRoom(len(rec.pending))
	events := make([][]byte, 0, len(rec.pending))
	for _, n := range rec.pending {
		if rec.call.listen {
			n = tagged(n, rec.call.request)
		}
		text, err := json.Marshal(n)
		if err != nil {
			rec.call.handler.log.Warn("notification was not encoded", "method", n.Method, "error", err)
			rec.lose()
			continue
		}
		events = append(events, text)
		rec.acked = rec.acked || n.Method == mcp.MethodNotificationSubscriptionsAcknowledged
	}
	if rec.store(events...) == nil {
		rec.write(events...)
	}
	if rec.call.listen {
		rec.deliverUpdates()
	}
}

// drain sends what the tool has put into the channel before something else.
func (rec *recorder) drain(notifications chan mcp.JSONRPCNotification) {
	for {
		select {
		case n := <-notifications:
			rec.send(n, notifications)
		default:
			return
		}
	}
}

// write sends stored events to the attached client.
func (rec *recorder) write(events ...[]byte) {
	if rec.w == nil || len(events) == 0 {
		return
	}
	rec.start()
	if rec.call.stream == nil {
		for _, event := range events {
			rec.out.event("", event)
		}
	} else {
		at := rec.call.stream.Last()
		at.Number -= int64(len(events)) - 1
		for _, event := range events {
			rec.out.event(at.String(), event)
			at.Number++
		}
	}
	rec.flush()
}

// start turns the reply into a stream.
func (rec *recorder) start() {
	if rec.out != nil {
		return
	}
	rec.out = newEventWriter(rec.w, rec.call.handler.timing.Write)
	if rec.call.stream != nil && rec.call.stream.Opened() && rec.primes() {
		first := rec.call.stream.Last()
		first.Number = 1
		rec.out.prime(first.String())
	}
	rec.startTimers()
}

// flush drops a client that does not take what it is sent; the call goes on.
func (rec *recorder) flush() {
	if rec.out.flush() == nil {
		return
	}
	if rec.call.stream == nil {
		rec.call.cancel(errLeft)
	}
	rec.detach()
}

// becomeStream is for a call that takes its time: the client gets a place to
// resume from, and comments so that nothing on the way hangs up.
func (rec *recorder) becomeStream() {
	rec.promote.Stop()
	if rec.w == nil || rec.out != nil {
		return
	}
	if stream := rec.call.stream; stream != nil {
		ctx, cancel := rec.patience()
		defer cancel()
		if err := rec.stored(stream.Open(ctx)); err != nil {
			rec.call.handler.log.LogAttrs(ctx, slog.LevelWarn, "a call did not become a stream yet", slog.Any("error", err))
			rec.promote.Reset(time.Second)
			return
		}
	}
	rec.start()
	rec.out.comment()
	rec.flush()
}

func (rec *recorder) beat() {
	if rec.out != nil {
		rec.out.comment()
		rec.flush()
	}
}

// keepAlive extends the lifetimes of what a long call needs.
func (rec *recorder) keepAlive() {
	c := rec.call
	if c.stream == nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	err := c.handler.sessions.Touch(ctx, c.peer.record.ID)
	if err == nil && c.stream.Opened() {
		err = c.stream.Keep(ctx)
	}
	if errors.Is(err, session.ErrNotFound) {
		c.cancel(errEnded)
	}
}

func (rec *recorder) startTimers() {
	t := rec.call.handler.timing
	if rec.heartbeat == nil {
		rec.heartbeat = time.NewTicker(t.Heartbeat)
		rec.keep = time.NewTicker(rec.call.handler.sessions.TouchInterval())
		if rec.w != nil {
			rec.limit = time.NewTimer(t.Limit - time.Since(rec.started))
		}
	}
}

func (rec *recorder) stopTimers() {
	for _, t := range []*time.Timer{rec.promote, rec.limit} {
		if t != nil {
			t.Stop()
		}
	}
	for _, t := range []*time.Ticker{rec.heartbeat, rec.keep} {
		if t != nil {
			t.Stop()
		}
	}
	rec.promote, rec.limit, rec.heartbeat, rec.keep = nil, nil, nil, nil
}

func timer(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

func ticks(t *time.Ticker) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}
