package mcphttp

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// The revisions with sessions: 2025-11-25 and older.

// postSessionful serves a POST of one message.
func (h *Handler) postSessionful(w http.ResponseWriter, r *http.Request, m *message, version string) {
	if version != "" && !mcp.IsValidProtocolVersion(version) {
		h.fail(w, r, m.ID, unsupportedVersion(version))
		return
	}
	if m.Method == string(mcp.MethodInitialize) && m.isRequest() {
		aside(func() { h.initialize(w, r, m) })
		return
	}
	record, err := h.session(r)
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	switch {
	case m.isRequest():
		h.call(w, r, record, m)
	case m.isNotification():
		aside(func() { h.accept(w, r, h.notify(r.Context(), record, m)) })
	default:
		h.accept(w, r, h.answer(r.Context(), record, m))
	}
}

// session finds the session that a request names, which must be the caller's.
func (h *Handler) session(r *http.Request) (*session.Record, error) {
	id := r.Header.Get(server.HeaderKeySessionID)
	if id == "" {
		return nil, refuse(http.StatusBadRequest, mcp.INVALID_REQUEST,
			"The header Mcp-Session-Id is missing: POST an initialize request first, and send the id that its answer carries.")
	}
	record, err := h.sessions.Load(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if record.Principal != h.principal(r.Context()) {
		return nil, session.ErrNotFound
	}
	return record, nil
}

// initialize makes a session, unless mcp-go refuses.
func (h *Handler) initialize(w http.ResponseWriter, r *http.Request, m *message) {
	p := &peer{handler: h, record: &session.Record{
		Principal: h.principal(r.Context()),
		Level:     mcp.LoggingLevelInfo,
	}}
	answer := h.dispatch(r.Context(), p, m)
	body, code, err := encodeReply(m, answer)
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	if code != 0 {
		writeJSON(w, http.StatusBadRequest, body)
		return
	}
	record, err := h.sessions.Create(r.Context(), *p.record)
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	w.Header().Set(server.HeaderKeySessionID, record.ID)
	writeJSON(w, http.StatusOK, body)
}

// call runs a request of a session. A client that leaves does not end it.
func (h *Handler) call(w http.ResponseWriter, r *http.Request, record *session.Record, m *message) {
	if err := h.authorize(r.Context(), m); err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	p := &peer{handler: h, id: record.ID, record: record}
	dispatch := func(ctx context.Context) reply {
		answer := h.dispatch(ctx, p, m)
		if err := p.failure(); err != nil {
			return reply{err: err}
		}
		body, _, err := encodeReply(m, answer)
		return reply{body: body, status: http.StatusOK, err: err}
	}
	if h.computing(m) {
		h.compute(w, r, p, m, dispatch)
		return
	}
	stream, err := h.sessions.NewStream(record.ID, m.ID)
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	c := h.newCall(context.WithoutCancel(r.Context()), p, m.ID)
	c.stream = stream
	c.serve(w, r, dispatch)
}

// notify takes a notification of the client.
func (h *Handler) notify(ctx context.Context, record *session.Record, m *message) error {
	if m.Method == string(mcp.MethodNotificationCancelled) {
		params, err := m.params()
		if err != nil || len(params.RequestID) == 0 {
			return refuse(http.StatusBadRequest, mcp.INVALID_PARAMS, "notifications/cancelled needs a requestId.")
		}
		if h.calls.cancel(record.ID, params.RequestID, errCancelled) {
			return nil
		}
		return h.sessions.Cancel(ctx, record.ID, params.RequestID)
	}
	p := &peer{handler: h, id: record.ID, record: record}
	h.dispatch(ctx, p, m)
	return nil
}

// answer takes the client's answer to a request of the server.
func (h *Handler) answer(ctx context.Context, record *session.Record, m *message) error {
	var id string
	if json.Unmarshal(m.ID, &id) != nil {
		return session.ErrNoQuestion
	}
	return h.sessions.Answer(ctx, record.ID, id, m.raw)
}

// accept answers messages that have no response.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// delete ends a session everywhere.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request) {
	record, err := h.session(r)
	if err == nil {
		err = h.sessions.Delete(r.Context(), record)
	}
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	h.calls.cancelSession(record.ID)
	h.telemetry.SessionEnded(r.Context(), record.Protocol, record.Created)
	w.WriteHeader(http.StatusNoContent)
}
