package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/session"
)

// refusal is an error that is meant for the client: a status and a text that
// says what to do.
type refusal struct {
	status int
	code   int // JSON-RPC
	text   string
	data   any
}

func (r *refusal) Error() string { return r.text }

func refuse(status, code int, text string) *refusal {
	return &refusal{status: status, code: code, text: text}
}

// refusalFor tells a client what an error means for it. Errors that it can do
// nothing about keep their cause for the log.
func refusalFor(err error) *refusal {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, session.ErrNotFound):
		return refuse(http.StatusNotFound, mcp.INVALID_REQUEST, "Session not found or ended: initialize a new one.")
	case errors.Is(err, session.ErrTooManySessions):
		return refuse(http.StatusTooManyRequests, mcp.INVALID_REQUEST, "Too many open sessions: end some with DELETE.")
	case errors.Is(err, session.ErrTooManySubscriptions):
		return refuse(http.StatusTooManyRequests, mcp.INVALID_REQUEST, "Too many subscriptions in this session: unsubscribe from some.")
	case errors.Is(err, session.ErrTooManyStreams):
		return refuse(http.StatusTooManyRequests, mcp.INVALID_REQUEST, "Too many unfinished calls in this session: wait for some to end.")
	case errors.Is(err, session.ErrBadCursor):
		return refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "Last-Event-ID is not an event id of this server.")
	case errors.Is(err, session.ErrCursorLost):
		return refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "The events after this Last-Event-ID are not kept any more: repeat the request if it is safe to.")
	case errors.Is(err, session.ErrFinished):
		return refuse(http.StatusMethodNotAllowed, mcp.INVALID_REQUEST, "The stream is finished and was read to its end: there is nothing to resume.")
	case errors.Is(err, session.ErrNoQuestion):
		return refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "No request of the server is waiting for this answer.")
	case errors.Is(err, redis.ErrUnavailable):
		return refuse(http.StatusServiceUnavailable, mcp.INTERNAL_ERROR, "The session store is unavailable: try again.")
	}
	return refuse(http.StatusInternalServerError, mcp.INTERNAL_ERROR, "Internal error.")
}

// fail answers a request with what an error means for the client, and tells the
// operator the cause where the client cannot.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id json.RawMessage, err error) {
	var denied denial
	if errors.As(err, &denied) {
		h.access.Deny(w, r, denied.error)
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the client has left: nobody is to be told, and nothing is wrong
	}
	told := refusalFor(err)
	if told.status >= http.StatusInternalServerError {
		h.log.LogAttrs(r.Context(), slog.LevelWarn, "request failed", slog.Int("status", told.status), slog.Any("error", err))
	}
	switch told.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "POST")
	}
	body, err := encodeError(id, mcp.JSONRPCErrorDetails{Code: told.code, Message: told.text, Data: told.data})
	if err != nil {
		h.log.Error("error reply was not encoded", "error", err)
		body = nil
	}
	writeJSON(w, told.status, body)
}

var jsonType = []string{"application/json"}

// writeJSON writes a plain answer. One that may not fit into the buffers on its
// way has a deadline: whoever does not read is cut off.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 16<<10 {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(DefaultTiming.Write)) // a writer without deadlines, as in tests, is not cut off
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	}
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has left is not told
}
