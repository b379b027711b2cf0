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

// store records events. When it cannot, the tool is told with its next one, or
// its client in place of the result. What nobody can come back for is not kept.
func (rec *recorder) store(events ...[]byte) error {
	c := rec.call
	if c.stream == nil || rec.unreachable() || len(events) == 0 {
		return nil
	}
	ctx, cancel := rec.patience()
	defer cancel()
	err := rec.stored(c.stream.Append(ctx, events...))
	switch {
	case err == nil || c.ctx.Err() != nil:
	case rec.streaming():
		c.handler.log.LogAttrs(c.ctx, slog.LevelWarn, "events were not stored", slog.Any("error", err))
		rec.lose()
	default: // the client has waited long enough for a first word
		c.handler.log.LogAttrs(c.ctx, slog.LevelWarn, "a call was given up, since its events were not stored", slog.Any("error", err))
		c.cancel(errUnstored)
	}
	return err
}

// unreachable reports whether the client has left without having been told
// where to come back to.
func (rec *recorder) unreachable() bool { return rec.w == nil && !rec.call.stream.Opened() }

// patience is how long Redis is waited for: long on a stream, whose client gets
// comments or has left, but not before a reply has begun.
func (rec *recorder) patience() (context.Context, context.CancelFunc) {
	limit := time.Second
	if rec.streaming() {
		limit = rec.call.handler.timing.Store
	}
	return context.WithTimeout(rec.call.ctx, limit)
}

// lose notes that something was not stored.
func (rec *recorder) lose() {
	rec.missing = true
	rec.call.refuseMore()
}

// stored ends the call when its session or its stream has ended.
func (rec *recorder) stored(err error) error {
	switch {
	case errors.Is(err, session.ErrNotFound):
		rec.call.cancel(errEnded)
	case errors.Is(err, session.ErrStreamClosed):
		rec.call.cancel(errLost)
	}
	return err
}

// ask stores and writes a request to the client.
func (rec *recorder) ask(a ask) error {
	if rec.call.stream == nil {
		return errors.New("no stream to ask the client on")
	}
	if rec.unreachable() {
		return errors.New("the client has left")
	}
	ctx, cancel := rec.patience()
	defer cancel()
	if err := rec.stored(rec.call.stream.Ask(ctx, a.question, a.request)); err != nil {
		return err
	}
	rec.write(a.request)
	return nil
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

// finish stores and writes the response.
func (rec *recorder) finish(r reply) {
	c := rec.call
	if r.err == nil && rec.missing && !c.knowsLoss() {
		r.err = refuse(http.StatusInternalServerError, mcp.INTERNAL_ERROR,
			"The request was carried out, but not everything that it sent could be delivered.")
	}
	if r.err != nil {
		told := refusalFor(r.err)
		body, err := encodeError(c.request, mcp.JSONRPCErrorDetails{Code: told.code, Message: told.text, Data: told.data})
		if err != nil {
			c.handler.log.Error("error reply was not encoded", "error", err)
		}
		if !rec.streaming() {
			rec.fail(r.err)
			return
		}
		r.body = body
	}
	if !rec.streaming() {
		if rec.w != nil {
			writeJSON(rec.w, r.status, r.body)
		}
		return
	}
	rec.terminate(r.body)
}

// terminate ends the stream with a response, or with none.
func (rec *recorder) terminate(response []byte) {
	c := rec.call
	var id string
	if c.stream != nil && c.stream.Opened() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.handler.timing.Store)
		defer cancel()
		err := c.stream.Finish(ctx, response)
		switch {
		case err == nil:
			id = c.stream.Last().String()
		case errors.Is(err, session.ErrStreamClosed):
			response = session.LossError(c.request)
		case errors.Is(err, session.ErrNotFound):
			response = nil
		case errors.Is(err, session.ErrEventTooLarge):
			rec.terminateTooLarge(ctx)
			return
		default:
			// The client that is attached still gets what could not be stored.
			c.handler.log.LogAttrs(ctx, slog.LevelError, "result was not stored", slog.Any("error", err))
		}
	}
	if rec.w == nil {
		return
	}
	rec.start()
	if response != nil {
		rec.out.event(id, response)
	}
	rec.flush()
	if rec.out != nil {
		rec.out.close()
	}
}

// terminateTooLarge answers with an error in place of a result that is larger
// than an event may be.
func (rec *recorder) terminateTooLarge(ctx context.Context) {
	body, err := encodeError(rec.call.request, mcp.JSONRPCErrorDetails{
		Code: mcp.INTERNAL_ERROR, Message: "The result is larger than this server can keep for a stream.",
	})
	if err != nil {
		rec.call.handler.log.LogAttrs(ctx, slog.LevelError, "error reply was not encoded", slog.Any("error", err))
		return
	}
	rec.terminate(body)
}

// end is for a call that is over before its tool has returned.
func (rec *recorder) end(cause error) {
	c := rec.call
	switch {
	case errors.Is(cause, errLost):
		rec.answerInstead(session.LossError(c.request), http.StatusServiceUnavailable)
	case errors.Is(cause, errLimit):
		rec.answerLimit()
	case errors.Is(cause, errUnstored):
		rec.fail(refuse(http.StatusServiceUnavailable, mcp.INTERNAL_ERROR,
			"The session store is unavailable. Whether the request took effect is not known; check before you repeat it."))
	case errors.Is(cause, errEnded):
		if rec.w != nil && rec.out == nil {
			rec.fail(session.ErrNotFound)
		} else if rec.out != nil {
			rec.out.close()
		}
	default: // taken back: nobody waits for an answer
		if rec.streaming() {
			rec.terminate(nil)
		} else if rec.w != nil {
			rec.w.WriteHeader(http.StatusAccepted)
		}
	}
}

// fail answers with a plain error.
func (rec *recorder) fail(err error) {
	if rec.w != nil {
		rec.call.handler.fail(rec.w, rec.r, rec.call.request, err)
	}
}

func (rec *recorder) answerInstead(body []byte, status int) {
	if rec.streaming() {
		rec.terminate(body)
	} else if rec.w != nil {
		writeJSON(rec.w, status, body)
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
