package mcphttp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// How a recorder stores what a call sends, and what becomes of the call when it
// cannot.

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
