package mcphttp

import (
	"context"
	"net/http"
)

// computing reports whether a request calls a tool that only computes. There is
// nothing to cancel, to record or to send meanwhile: the tool runs in the
// goroutine of its HTTP request, and no other waits for it.
func (h *Handler) computing(m *message) bool {
	tool := h.namedTool(m)
	return tool != nil && h.computes != nil && h.computes(tool.Tool.Name)
}

// compute runs such a tool and answers. A client that leaves does not end it:
// the answer is there before that could be noticed.
func (h *Handler) compute(w http.ResponseWriter, r *http.Request, p *peer, m *message, dispatch func(context.Context) reply) {
	if err := h.quota.take(p.record.Principal); err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	defer h.quota.give(p.record.Principal)
	answer := h.guarded(context.WithoutCancel(r.Context()), dispatch)
	if answer.err != nil {
		h.fail(w, r, m.ID, answer.err)
		return
	}
	writeJSON(w, answer.status, answer.body)
}
