package mcphttp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// source is a stream of events in the store: a call's or a session's own.
type source interface {
	// Read returns what has come, without waiting.
	Read(context.Context) ([]session.Event, error)
	// ReadEvery is how long to wait at the most between two Reads.
	ReadEvery() time.Duration
}

// get serves a GET: the events of a session that belong to no call, or with
// Last-Event-ID the rest of any of its streams.
func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	if !accepts(r.Header["Accept"], "text/event-stream") || r.Header.Get("Accept") == "*/*" {
		h.fail(w, r, nil, refuse(http.StatusNotAcceptable, mcp.INVALID_REQUEST,
			"This is an MCP endpoint, not a page: connect an MCP client to this URL, or POST JSON-RPC to it. A GET needs the header Accept: text/event-stream."))
		return
	}
	var record *session.Record
	var err error
	aside(func() { record, err = h.session(r) })
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	var cursor *session.Cursor
	if id := r.Header.Get(mcp.HeaderLastEventID); id != "" {
		c, err := session.ParseCursor(id)
		if err != nil {
			h.fail(w, r, nil, err)
			return
		}
		cursor = &c
	}
	if err := h.quota.take(record.Principal); err != nil {
		h.fail(w, r, nil, err)
		return
	}
	defer h.quota.give(record.Principal)
	if cursor != nil && !cursor.IsOut() {
		h.resume(w, r, record, *cursor)
		return
	}
	h.listenGet(w, r, record, cursor)
}

// resume replays a call's stream from the cursor and follows it to its end.
func (h *Handler) resume(w http.ResponseWriter, r *http.Request, record *session.Record, cursor session.Cursor) {
	var tail *session.Tail
	var err error
	aside(func() { tail, err = h.sessions.Tail(r.Context(), record.ID, cursor) })
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	defer tail.Close()
	f := h.follow(w, r, record, cursor)
	defer f.out.close()
	f.run(tail.C, tail, func(events []session.Event) error {
		for _, e := range events {
			at := session.Cursor{Stream: cursor.Stream, Number: e.Number}
			if len(e.Data) > 0 && e.Number > 1 {
				f.out.event(at.String(), e.Data)
			}
			f.finished = e.Terminal
		}
		return f.out.flush()
	})
}

// listenGet delivers the events that belong to no call.
func (h *Handler) listenGet(w http.ResponseWriter, r *http.Request, record *session.Record, after *session.Cursor) {
	var get *session.Get
	var err error
	aside(func() { get, err = h.sessions.OpenGet(r.Context(), record.ID, after) })
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Second)
		defer cancel()
		get.Close(ctx)
	}()
	f := h.follow(w, r, record, get.Cursor())
	defer f.out.close()
	f.run(get.C, get, func(events []session.Event) error {
		for _, e := range events {
			f.out.event(session.Cursor{Stream: get.Cursor().Stream, Number: e.Number}.String(), e.Data)
		}
		if err := f.out.flush(); err != nil || len(events) == 0 {
			return err
		}
		// Also for a client that has left since: the next stream goes on after them.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.timing.Store)
		defer cancel()
		return get.Delivered(ctx)
	})
}

// follower writes a source's events to a client.
type follower struct {
	handler  *Handler
	r        *http.Request
	session  string
	out      *eventWriter
	finished bool
}

// follow starts the reply with an event that names the place in the stream, so
// that a client that loses the connection at once can come back to it.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, record *session.Record, cursor session.Cursor) *follower {
	f := &follower{handler: h, r: r, session: record.ID, out: newEventWriter(w, h.timing.Write)}
	if record.Protocol >= mcp.ProtocolVersion20251125 {
		f.out.prime(cursor.String())
	} else {
		f.out.comment()
	}
	return f
}

// run reads and writes until the stream or the client's time is over. The loop
// wakes for new events, and regularly to look for them all the same.
func (f *follower) run(woken <-chan struct{}, from source, write func([]session.Event) error) {
	h, ctx := f.handler, f.r.Context()
	var err error
	if aside(func() { err = f.out.flush() }); err != nil {
		return
	}
	started, commented, touched := time.Now(), time.Now(), time.Now()
	ticker := time.NewTicker(from.ReadEvery())
	defer ticker.Stop()
	for {
		var events []session.Event
		aside(func() { events, err = from.Read(ctx) })
		switch {
		case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrFinished), errors.Is(err, session.ErrCursorLost), ctx.Err() != nil:
			return
		case err != nil:
			// Redis is away: the client keeps its place, and nothing is lost.
			h.log.Debug("stream could not be read", "error", err)
		}
		if len(events) > 0 {
			if write(events) != nil || f.finished {
				return
			}
			commented = time.Now()
		}
		select {
		case <-woken:
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-h.draining:
			f.leave(ctx)
			return
		}
		now := time.Now()
		if now.Sub(started) >= h.timing.Limit {
			return
		}
		if now.Sub(commented)+from.ReadEvery() > h.timing.Heartbeat { // the next look is too late
			commented = now
			f.out.comment()
			if f.out.flush() != nil {
				return
			}
		}
		if now.Sub(touched) >= h.sessions.TouchInterval() {
			touched = now
			if err := h.sessions.Touch(ctx, f.session); errors.Is(err, session.ErrNotFound) {
				return
			}
		}
	}
}

// leave ends a stream of a replica that shuts down: not all at once, so that
// the clients do not all come back at once.
func (f *follower) leave(ctx context.Context) {
	const spread = time.Second
	select {
	case <-time.After(rand.N(spread)):
	case <-ctx.Done():
	}
}
