package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/session"
	"github.com/prynai/prynai-mcp/server/internal/telemetry"
)

// observe has a message of the peer handled, as one operation of the telemetry.
func (h *Handler) observe(ctx context.Context, p *peer, m *message) (answer mcp.JSONRPCMessage) {
	ctx, running := h.telemetry.Begin(ctx, h.operation(p, m))
	result := telemetry.Result{Failure: "panic"}
	defer func() {
		result.Protocol = p.record.Protocol
		running.End(context.WithoutCancel(ctx), result)
	}()
	answer = h.handle(ctx, p, m)
	result = resultOf(ctx, p, answer)
	return answer
}

// operation names what this server has; a stranger's names are not repeated.
func (h *Handler) operation(p *peer, m *message) telemetry.Operation {
	o := telemetry.Operation{Session: p.record.ID, Request: strings.Trim(string(m.ID), `"`)}
	if !methods[m.Method] {
		return o
	}
	o.Method = m.Method
	params, _ := m.params()
	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodToolsCall:
		o.Tool = "_OTHER"
		if h.namedTool(m) != nil {
			o.Tool = params.Name
		}
	case mcp.MethodPromptsGet:
		o.Prompt = "_OTHER"
		if h.server.ListPrompts()[params.Name] != nil {
			o.Prompt = params.Name
		}
	case mcp.MethodResourcesRead, mcp.MethodResourcesSubscribe, mcp.MethodResourcesUnsubscribe:
		if h.server.ListResources()[params.URI] != nil {
			o.Resource = params.URI
		}
	}
	if params.Meta != nil {
		o.Traceparent = traceparent(params.Meta.raw)
	}
	return o
}

// methods are those of all revisions that are served.
var methods = map[string]bool{
	"initialize": true, "ping": true, "server/discover": true, "logging/setLevel": true, "completion/complete": true,
	"tools/list": true, "tools/call": true, "prompts/list": true, "prompts/get": true,
	"resources/list": true, "resources/templates/list": true, "resources/read": true, "resources/subscribe": true, "resources/unsubscribe": true,
	"subscriptions/listen": true, "tasks/get": true, "tasks/list": true, "tasks/result": true, "tasks/cancel": true,
	"notifications/initialized": true, "notifications/cancelled": true, "notifications/progress": true, "notifications/roots/list_changed": true,
}

// traceparent is where the caller places the request in a trace (SEP-414).
func traceparent(meta json.RawMessage) string {
	var fields struct {
		Traceparent string `json:"traceparent"`
	}
	if json.Unmarshal(meta, &fields) != nil {
		return "" // mcp-go's to answer
	}
	return fields.Traceparent
}

func resultOf(ctx context.Context, p *peer, answer mcp.JSONRPCMessage) telemetry.Result {
	if cause := context.Cause(ctx); cause != nil {
		return telemetry.Result{Failure: endOf(cause)}
	}
	if err := p.failure(); err != nil {
		if errors.Is(err, redis.ErrUnavailable) {
			return telemetry.Result{Code: mcp.INTERNAL_ERROR, Failure: "store_unavailable"}
		}
		return telemetry.Result{Code: refusalFor(err).code}
	}
	switch a := answer.(type) {
	case mcp.JSONRPCError:
		return telemetry.Result{Code: a.Error.Code}
	case mcp.JSONRPCResponse:
		if isToolError(a.Result) {
			return telemetry.Result{Failure: "tool_error"}
		}
	}
	return telemetry.Result{}
}

// isToolError reports whether a tool says that it has failed, which JSON-RPC
// takes for a success.
func isToolError(result any) bool {
	switch r := result.(type) {
	case *mcp.CallToolResult:
		return r.IsError
	case mcp.CallToolResult:
		return r.IsError
	case completeResult:
		return r.IsError
	}
	return false
}

// endOf names why a call ended before its tool did.
func endOf(cause error) string {
	switch {
	case errors.Is(cause, errEnded):
		return "session_ended"
	case errors.Is(cause, errLost):
		return "replica_ended"
	case errors.Is(cause, errLeft), errors.Is(cause, context.Canceled): // the latter from net/http
		return "client_left"
	case errors.Is(cause, errLimit):
		return "timeout"
	case errors.Is(cause, errUnstored):
		return "store_unavailable"
	}
	return "cancelled"
}

// questionFailure names why a question to the client had no answer. The code of
// a refusal is the client's to choose, so it is not repeated.
func questionFailure(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errRefused):
		return "refused"
	case errors.Is(err, session.ErrUnanswered):
		return "timeout"
	case errors.Is(err, redis.ErrUnavailable):
		return "store_unavailable"
	}
	for _, ended := range []error{context.Canceled, errCancelled, errEnded, errLost, errLeft, errLimit, errUnstored} {
		if errors.Is(err, ended) {
			return endOf(err)
		}
	}
	return "_OTHER"
}
