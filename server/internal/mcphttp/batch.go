package mcphttp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// batchLimit bounds the messages of a batch.
const batchLimit = 100

// postBatch serves a JSON-RPC batch, which revision 2025-03-26 alone has.
func (h *Handler) postBatch(w http.ResponseWriter, r *http.Request, version string, parts []json.RawMessage) {
	messages, err := parseBatch(parts, version)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	record, err := h.session(r)
	if err == nil && record.Protocol != mcp.ProtocolVersion20250326 {
		err = refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "This session's protocol revision has no batches.")
	}
	for _, m := range messages {
		if err == nil {
			err = h.authorize(r.Context(), m)
		}
	}
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	var requests []*message
	for _, m := range messages {
		switch {
		case m.isRequest():
			requests = append(requests, m)
		case m.isNotification():
			err = h.notify(r.Context(), record, m)
		default:
			err = h.answer(r.Context(), record, m)
		}
		if err != nil {
			h.fail(w, r, nil, err)
			return
		}
	}
	if len(requests) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	h.callBatch(w, r, record, requests)
}

func parseBatch(parts []json.RawMessage, version string) ([]*message, error) {
	if version != "" && version != mcp.ProtocolVersion20250326 {
		return nil, refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "This protocol revision has no batches.")
	}
	if len(parts) == 0 || len(parts) > batchLimit {
		return nil, refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "A batch has 1 to 100 messages.")
	}
	messages := make([]*message, len(parts))
	for i, part := range parts {
		m, err := parseMessage(part)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, mcp.PARSE_ERROR, err.Error())
		}
		if m.Method == string(mcp.MethodInitialize) {
			return nil, refuse(http.StatusBadRequest, mcp.INVALID_REQUEST, "initialize must not be part of a batch.")
		}
		messages[i] = m
	}
	return messages, nil
}

// callBatch runs the requests one after the other as one call, which the array
// of their ids names, and answers with the array of their responses.
func (h *Handler) callBatch(w http.ResponseWriter, r *http.Request, record *session.Record, requests []*message) {
	ids := make([][]byte, len(requests))
	for i, m := range requests {
		ids[i] = m.ID
	}
	batch := array(ids)
	stream, err := h.sessions.NewStream(record.ID, batch)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	p := &peer{handler: h, id: record.ID, record: record}
	c := h.newCall(context.WithoutCancel(r.Context()), p, batch)
	c.stream = stream
	c.serve(w, r, func(ctx context.Context) reply {
		bodies := make([][]byte, len(requests))
		for i, m := range requests {
			answer := h.dispatch(ctx, p, m)
			if err := p.failure(); err != nil {
				return reply{err: err}
			}
			body, _, err := encodeReply(m, answer)
			if err != nil {
				return reply{err: err}
			}
			bodies[i] = body
		}
		return reply{body: array(bodies), status: http.StatusOK}
	})
}

func array(elements [][]byte) []byte {
	return slices.Concat([]byte{'['}, bytes.Join(elements, []byte{','}), []byte{']'})
}
