package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/session"
	"github.com/prynai/prynai-mcp/server/internal/telemetry"
)

// Options configure a Handler.
type Options struct {
	Server    *server.MCPServer
	Sessions  *session.Store
	Principal func(context.Context) string // who calls, as package auth established it
	Access    Access                       // nil: everyone may call every tool
	Audit     func(context.Context, ToolCall)
	Computes  func(tool string) bool // reports tools that neither wait nor send anything; nil: none
	OpenLimit int                    // calls and streams of one principal at a time; 0 is none
	Logger    *slog.Logger
	Telemetry *telemetry.Telemetry // may be nil
	Timing    Timing               // DefaultTiming where zero
}

// Timing is how long things may take.
type Timing struct {
	Promote   time.Duration // an unanswered call becomes a stream after this
	Heartbeat time.Duration // between comments on a stream
	Limit     time.Duration // a stream ends before the ingress would cut it
	Write     time.Duration // a client may take to read what was written
	Answer    time.Duration // a client may take to answer a request of the server
	Store     time.Duration // Redis may be away while a stream waits to go on
}

// DefaultTiming fits an ingress that cuts requests after 240 s.
var DefaultTiming = Timing{
	Promote:   10 * time.Second,
	Heartbeat: 15 * time.Second,
	Limit:     225 * time.Second,
	Write:     30 * time.Second,
	Answer:    120 * time.Second,
	Store:     60 * time.Second,
}

// Handler serves the MCP endpoint. It is also how this replica hears what other
// replicas say of its calls and streams: see [session.Listener].
type Handler struct {
	server    *server.MCPServer
	sessions  *session.Store
	principal func(context.Context) string
	access    Access
	audit     func(context.Context, ToolCall)
	computes  func(tool string) bool
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	timing    Timing
	seal      *sealer
	direct    *direct // nil: everything goes through mcp-go's own dispatch

	quota      quota
	calls      calls
	listeners  listeners
	drainOnce  sync.Once
	draining   chan struct{} // closed when streams that wait for events are to end
	background sync.WaitGroup
}

// New makes a Handler.
func New(o Options) *Handler {
	if o.Timing == (Timing{}) {
		o.Timing = DefaultTiming
	}
	h := &Handler{
		server:    o.Server,
		sessions:  o.Sessions,
		principal: o.Principal,
		access:    o.Access,
		audit:     o.Audit,
		computes:  o.Computes,
		quota:     quota{limit: o.OpenLimit, open: map[string]int{}},
		log:       o.Logger,
		telemetry: o.Telemetry,
		timing:    o.Timing,
		draining:  make(chan struct{}),
		seal:      &sealer{store: o.Sessions},
	}
	h.openDirect()
	h.hideTools()
	h.auditTools()
	h.installRounds()
	h.relayBroadcasts()
	return h
}

// openDirect prepares the short way of plain calls, which is a matter of speed
// alone.
func (h *Handler) openDirect() {
	direct, err := newDirect(h.server)
	if err != nil {
		h.log.Warn("calls take the long way", "error", err)
		return
	}
	h.direct = direct
}

// useTools adds a middleware to all tools, whichever way they are called.
func (h *Handler) useTools(m server.ToolHandlerMiddleware) {
	if h.direct == nil {
		h.server.Use(m)
		return
	}
	h.direct.use(m)
}

// dispatch has a message of the peer handled.
func (h *Handler) dispatch(ctx context.Context, p *peer, m *message) mcp.JSONRPCMessage {
	if h.telemetry != nil {
		return h.observe(ctx, p, m)
	}
	return h.handle(ctx, p, m)
}

func (h *Handler) handle(ctx context.Context, p *peer, m *message) mcp.JSONRPCMessage {
	if h.direct != nil {
		if answer, ok := h.direct.call(ctx, p, m, h.namedTool(m), h.computing(m)); ok {
			return answer
		}
	}
	return h.server.HandleMessage(h.server.WithContext(ctx, p), m.raw)
}

// ServeHTTP answers a request to the MCP endpoint.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version := r.Header.Get(mcp.HeaderProtocolVersion)
	if r.Method == http.MethodPost {
		h.post(w, r, version)
		return
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodDelete:
		w.Header().Set("Allow", "POST, GET, DELETE")
		h.fail(w, r, nil, refuse(http.StatusMethodNotAllowed, mcp.INVALID_REQUEST, "This MCP endpoint takes POST, GET and DELETE."))
	case version != "" && !mcp.IsValidProtocolVersion(version):
		h.fail(w, r, nil, unsupportedVersion(version))
	case mcp.IsModernProtocol(version):
		h.fail(w, r, nil, refuse(http.StatusMethodNotAllowed, mcp.INVALID_REQUEST,
			"Revision "+version+" has neither sessions nor GET streams: use POST, and subscriptions/listen for updates."))
	case r.Method == http.MethodGet:
		h.get(w, r)
	default:
		h.delete(w, r)
	}
}

// post reads a POST and sends it the way of its era.
func (h *Handler) post(w http.ResponseWriter, r *http.Request, version string) {
	body, err := h.readBody(r)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	parts, isBatch := splitBatch(body)
	if isBatch {
		h.postBatch(w, r, version, parts)
		return
	}
	m, err := parseMessage(body)
	if err != nil {
		h.fail(w, r, nil, refuse(http.StatusBadRequest, mcp.PARSE_ERROR, err.Error()))
		return
	}
	if meta := m.meta(); mcp.IsModernProtocol(version) || mcp.IsModernProtocol(meta.protocolVersion()) {
		h.postStateless(w, r, m, version, meta)
		return
	}
	h.postSessionful(w, r, m, version)
}

// readBody checks that body and reply can be JSON, then reads the body.
func (h *Handler) readBody(r *http.Request) ([]byte, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, refuse(http.StatusUnsupportedMediaType, mcp.INVALID_REQUEST, "Content-Type must be application/json.")
	}
	if accept := r.Header["Accept"]; !accepts(accept, "application/json") || !accepts(accept, "text/event-stream") {
		return nil, refuse(http.StatusNotAcceptable, mcp.INVALID_REQUEST,
			"Not Acceptable: send the header Accept: application/json, text/event-stream.")
	}
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, mcp.INVALID_REQUEST, "The body is too large.")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, mcp.PARSE_ERROR, "The body could not be read.")
	}
	return body, nil
}

func unsupportedVersion(version string) *refusal {
	return &refusal{
		status: http.StatusBadRequest,
		code:   mcp.UNSUPPORTED_PROTOCOL_VERSION,
		text:   "Unsupported protocol version.",
		data:   map[string]any{"supported": supportedVersions, "requested": version},
	}
}

var supportedVersions = mcp.ValidProtocolVersions

// SessionEnded is part of [session.Listener].
func (h *Handler) SessionEnded(id string) { h.calls.cancelSession(id) }

// Cancelled is part of [session.Listener].
func (h *Handler) Cancelled(id string, request json.RawMessage) {
	h.calls.cancel(id, request, errCancelled)
}
