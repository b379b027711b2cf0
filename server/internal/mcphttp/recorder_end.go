package mcphttp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// How a recorder ends: with the response, or with what stands in its place.

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
