package mcphttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Requests of several rounds (SEP-2322): a handler answers that it needs input,
// and the client repeats the request with it. mcp-go serves the older
// revisions from the same handlers by asking the client itself; these
// middlewares close what it leaves open in the stateless one.

func (h *Handler) installRounds() {
	h.useTools(h.toolRounds)
	server.WithPromptHandlerMiddleware(h.promptRounds)(h.server)
}

func (h *Handler) toolRounds(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		p, ok := server.ClientSessionFromContext(ctx).(*peer)
		if !ok || !p.stateless() {
			return next(ctx, request)
		}
		round := round{h, p, mcp.MethodToolsCall, request.Params.Name, request.Params.Arguments}
		if err := round.open(ctx, &request.Params.RequestState); err != nil {
			return nil, err
		}
		result, err := next(ctx, request)
		if err != nil || result == nil || !result.NeedsInput() {
			return result, err
		}
		return result, round.close(ctx, &result.MultiRoundTripResult)
	}
}

func (h *Handler) promptRounds(next server.PromptHandlerFunc) server.PromptHandlerFunc {
	return func(ctx context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		p, ok := server.ClientSessionFromContext(ctx).(*peer)
		if !ok || !p.stateless() {
			return next(ctx, request)
		}
		round := round{h, p, mcp.MethodPromptsGet, request.Params.Name, request.Params.Arguments}
		if err := round.open(ctx, &request.Params.RequestState); err != nil {
			return nil, err
		}
		result, err := next(ctx, request)
		if err != nil || result == nil || !result.NeedsInput() {
			return result, err
		}
		return result, round.close(ctx, &result.MultiRoundTripResult)
	}
}

// round is one turn of a request of several rounds.
type round struct {
	handler   *Handler
	peer      *peer
	method    mcp.MCPMethod
	name      string
	arguments any
}

// open replaces a sealed request state by what the handler had put into it.
func (r round) open(ctx context.Context, state *string) error {
	if *state == "" {
		return nil
	}
	binding, err := stateBinding(r.peer.record.Principal, string(r.method), r.name, r.arguments)
	if err != nil {
		return err
	}
	opened, err := r.handler.seal.open(ctx, *state, binding)
	if errors.Is(err, errState) {
		err = refuse(http.StatusBadRequest, mcp.INVALID_PARAMS,
			"The requestState is not valid for this request, or has expired: start the request again without it.")
	}
	if err != nil {
		r.peer.fail(err)
		return err
	}
	*state = opened
	return nil
}

// close seals the state, and refuses to ask a client for what it cannot do.
func (r round) close(ctx context.Context, result *mcp.MultiRoundTripResult) error {
	if missing := missingCapabilities(result.InputRequests, r.peer.record.Capabilities); len(missing) > 0 {
		err := &refusal{
			status: http.StatusBadRequest,
			code:   mcp.MISSING_REQUIRED_CLIENT_CAPABILITY,
			text:   "This request needs capabilities that the client did not declare.",
			data:   map[string]any{"requiredCapabilities": missing},
		}
		r.peer.fail(err)
		return err
	}
	if result.RequestState == "" {
		return nil
	}
	binding, err := stateBinding(r.peer.record.Principal, string(r.method), r.name, r.arguments)
	if err != nil {
		return err
	}
	sealed, err := r.handler.seal.seal(ctx, result.RequestState, binding)
	if err != nil {
		r.peer.fail(err)
		return err
	}
	result.RequestState = sealed
	return nil
}

// missingCapabilities names what the requests need and the client has not.
func missingCapabilities(requests mcp.InputRequests, has mcp.ClientCapabilities) map[string]any {
	missing := map[string]any{}
	for _, request := range requests {
		switch request.Method {
		case mcp.MethodSamplingCreateMessage:
			if has.Sampling == nil {
				missing["sampling"] = struct{}{}
			}
		case mcp.MethodElicitationCreate:
			if has.Elicitation == nil {
				missing["elicitation"] = struct{}{}
			}
		case mcp.MethodListRoots:
			if has.Roots == nil {
				missing["roots"] = struct{}{}
			}
		}
	}
	return missing
}
