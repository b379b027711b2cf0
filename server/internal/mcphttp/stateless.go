package mcphttp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// The stateless revision, 2026-07-28: each request says all there is to know,
// closing its stream takes it back, and nothing can be resumed.

// postStateless serves a POST of the stateless era.
func (h *Handler) postStateless(w http.ResponseWriter, r *http.Request, m *message, version string, meta *requestMeta) {
	if m.isNotification() {
		// A cancellation would name a request by an id that strangers can
		// guess; closing the stream is how a request is taken back.
		w.WriteHeader(http.StatusAccepted)
		return
	}
	err := h.checkStateless(r, m, version, meta)
	if err == nil {
		err = h.authorize(r.Context(), m)
	}
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	p := &peer{
		handler: h,
		id:      "stateless-" + h.sessions.NextID(), // running requests are told apart by it
		record: &session.Record{
			Principal: h.principal(r.Context()),
			Protocol:  version,
		},
	}
	dispatch := func(ctx context.Context) reply {
		answer := h.dispatch(ctx, p, m)
		if err := p.failure(); err != nil {
			return reply{err: err}
		}
		body, code, err := encodeReply(m, answer)
		return reply{body: restoreZero(body), status: statelessStatus(code), err: err}
	}
	if h.computing(m) {
		h.compute(w, r, p, m, dispatch)
		return
	}
	c := h.newCall(r.Context(), p, m.ID)
	c.listen = m.Method == string(mcp.MethodSubscriptionsListen)
	if c.listen {
		defer h.listeners.add(c)()
	}
	c.serve(w, r, dispatch)
}

// checkStateless checks what binds the body to the headers, which revision
// 2026-07-28 demands of a request (SEP-2243, SEP-2575).
func (h *Handler) checkStateless(r *http.Request, m *message, version string, meta *requestMeta) error {
	if !m.isRequest() {
		return refuse(http.StatusBadRequest, mcp.INVALID_REQUEST,
			"Responses of the client are not part of this protocol revision: answer by repeating the request with inputResponses.")
	}
	stated := meta.protocolVersion()
	switch {
	case version == "":
		return refuse(http.StatusBadRequest, mcp.HEADER_MISMATCH, "The header "+mcp.HeaderProtocolVersion+" is missing.")
	case stated == "":
		return refuse(http.StatusBadRequest, mcp.INVALID_PARAMS, "Missing or invalid _meta field "+mcp.MetaKeyProtocolVersion+".")
	case version != stated:
		return refuse(http.StatusBadRequest, mcp.HEADER_MISMATCH,
			"The header "+mcp.HeaderProtocolVersion+" and the _meta field "+mcp.MetaKeyProtocolVersion+" differ.")
	case !mcp.IsValidProtocolVersion(stated):
		return unsupportedVersion(stated)
	}
	tool := h.namedTool(m)
	if tool != nil && plainHeaders(r.Header, m, tool) {
		return nil
	}
	if err := mcp.ValidateStandardHeaders(r.Header.Get, version, mcp.MCPMethod(m.Method), m.Params); err != nil {
		return refuse(http.StatusBadRequest, mcp.HEADER_MISMATCH, err.Error())
	}
	if tool == nil {
		return nil
	}
	lookup := func(name string) (string, bool) {
		values := r.Header.Values(name)
		if len(values) == 0 {
			return "", false
		}
		return values[0], true
	}
	if err := mcp.ValidateParamHeadersLookup(lookup, &tool.Tool, m.Params); err != nil {
		var mismatch mcp.HeaderMismatchError
		if errors.As(err, &mismatch) {
			return refuse(http.StatusBadRequest, mcp.HEADER_MISMATCH, err.Error())
		}
		return refuse(http.StatusBadRequest, mcp.INVALID_PARAMS, err.Error())
	}
	return nil
}

// plainHeaders reports that the headers of a tools/call are right to the letter,
// which nearly all are, and spares mcp-go's closer look.
func plainHeaders(header http.Header, m *message, tool *server.ServerTool) bool {
	p, err := m.params()
	return err == nil && header.Get(mcp.HeaderMethod) == m.Method && header.Get(mcp.HeaderName) == p.Name &&
		!strings.HasPrefix(p.Name, "=?") &&
		len(tool.Tool.RawInputSchema) > 0 && !bytes.Contains(tool.Tool.RawInputSchema, []byte("x-mcp-header"))
}

// statelessStatus is the HTTP status that the revision prescribes for a
// JSON-RPC error code; 0 is no error.
func statelessStatus(code int) int {
	switch code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION,
		mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.PARSE_ERROR:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// namedTool is the tool that a tools/call names, or nil.
func (h *Handler) namedTool(m *message) *server.ServerTool {
	if m.tool == nil && m.Method == string(mcp.MethodToolsCall) {
		p, _ := m.params()
		m.tool = h.server.GetTool(p.Name)
	}
	return m.tool
}
