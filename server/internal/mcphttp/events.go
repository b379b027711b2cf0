package mcphttp

import (
	"net/http"
	"strconv"
	"time"
)

// retry is what clients are told to wait before they resume a stream.
const retry = time.Second

// eventWriter writes server-sent events to one client. The first error sticks:
// whoever does not read within the deadline is cut off.
type eventWriter struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	deadline time.Duration // for each flush
	buffer   []byte
	err      error
}

func newEventWriter(w http.ResponseWriter, deadline time.Duration) *eventWriter {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Del("Content-Length")
	w.WriteHeader(http.StatusOK)
	return &eventWriter{w: w, control: http.NewResponseController(w), deadline: deadline}
}

// prime is an event without data that gives the client a place to resume from.
// Revisions before 2025-11-25 do not know it.
func (e *eventWriter) prime(id string) {
	e.buffer = append(e.buffer, "id: "...)
	e.buffer = append(e.buffer, id...)
	e.buffer = append(e.buffer, "\nretry: "...)
	e.buffer = strconv.AppendInt(e.buffer, retry.Milliseconds(), 10)
	e.buffer = append(e.buffer, "\ndata: \n\n"...)
}

// event is a JSON-RPC message; id is empty on streams that cannot be resumed.
func (e *eventWriter) event(id string, data []byte) {
	if id != "" {
		e.buffer = append(e.buffer, "id: "...)
		e.buffer = append(e.buffer, id...)
		e.buffer = append(e.buffer, '\n')
	}
	e.buffer = append(e.buffer, "event: message\ndata: "...)
	e.buffer = append(e.buffer, data...)
	e.buffer = append(e.buffer, "\n\n"...)
}

// comment keeps the connection alive and finds out whether it still is.
func (e *eventWriter) comment() { e.buffer = append(e.buffer, ":\n\n"...) }

// flush sends what was written since the last flush.
func (e *eventWriter) flush() error {
	buffered := e.buffer
	e.buffer = e.buffer[:0]
	if cap(e.buffer) > 64<<10 {
		e.buffer = nil // one large event must not stay for the life of a stream
	}
	if e.err != nil {
		return e.err
	}
	// A writer without deadlines, as in tests, is not cut off.
	_ = e.control.SetWriteDeadline(time.Now().Add(e.deadline))
	if _, e.err = e.w.Write(buffered); e.err == nil {
		e.err = e.control.Flush()
	}
	return e.err
}

// close leaves the connection as it was found. That of a client that was cut
// off stays past its deadline, so that nothing waits for it any more.
func (e *eventWriter) close() {
	if e.err == nil {
		_ = e.control.SetWriteDeadline(time.Time{})
	}
}
