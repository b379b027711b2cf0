package mcphttp

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// fixture is the surface of the tests, shared by the replicas of a deployment.
type fixture struct {
	mu    sync.Mutex
	gates map[string]chan struct{} // of "wait", by name
	ended map[string]error         // why a "wait" ended
	begun map[string]bool
}

// computes is of whichever tool has the name.
func computes(tool string) bool { return tool == "compute" }

func newFixture() *fixture {
	return &fixture{gates: map[string]chan struct{}{}, ended: map[string]error{}, begun: map[string]bool{}}
}

func (f *fixture) gate(name string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gates[name] == nil {
		f.gates[name] = make(chan struct{})
	}
	return f.gates[name]
}

// release lets a "wait" return.
func (f *fixture) release(name string) { close(f.gate(name)) }

func (f *fixture) running(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun[name]
}

// outcome tells whether a "wait" has ended, and why.
func (f *fixture) outcome(name string) (ended bool, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cause, ended = f.ended[name]
	return ended, cause
}

func say(ctx context.Context, text string) error {
	return server.ServerFromContext(ctx).SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "fixture", text))
}

func result(text string, err error) (*mcp.CallToolResult, error) {
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	return mcp.NewToolResultText(text), nil
}

func (f *fixture) register(s *server.MCPServer, h *Handler) {
	add := func(name string, handler func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error)) {
		s.AddTool(mcp.NewTool(name), handler)
	}
	add("plain", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { return result("plain", nil) })
	add("compute", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.GetBool("panic", false) {
			panic("on purpose")
		}
		return result("computed", say(ctx, "cannot be sent"))
	})
	add("panic", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("on purpose") })
	// send sends count messages of the given size, each with its number and the
	// call's name, and returns at once.
	add("send", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		name, padding := r.GetString("name", ""), strings.Repeat("x", r.GetInt("size", 0))
		for i := range r.GetInt("count", 1) {
			if err := say(ctx, fmt.Sprintf("%s %d %s", name, i, padding)); err != nil {
				return result("", fmt.Errorf("message %d: %w", i, err))
			}
		}
		return result("sent", nil)
	})
	// wait says so, unless it is to be silent, and returns when it is released.
	add("wait", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		name := r.GetString("name", "")
		if !r.GetBool("silent", false) {
			if err := say(ctx, "waiting"); err != nil {
				return nil, err
			}
		}
		f.mu.Lock()
		f.begun[name] = true
		f.mu.Unlock()
		var cause error
		select {
		case <-f.gate(name):
		case <-ctx.Done():
			cause = context.Cause(ctx)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended[name] = cause
		return result("released "+name, cause)
	})
	add("sample", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, err := server.ClientSessionFromContext(ctx).(server.SessionWithSampling).RequestSampling(ctx, mcp.CreateMessageRequest{CreateMessageParams: mcp.CreateMessageParams{
			Messages: []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent("?")}}, MaxTokens: 1, Temperature: ExplicitZero,
		}})
		if err != nil {
			return result("", err)
		}
		return result(answer.Content.(mcp.TextContent).Text, nil)
	})
	add("elicit", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, err := s.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{Message: "?", RequestedSchema: map[string]any{"type": "object"}}})
		if err != nil {
			return result("", err)
		}
		return result(string(answer.Action), nil)
	})
	add("roots", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, err := s.RequestRoots(ctx, mcp.ListRootsRequest{})
		if err != nil {
			return result("", err)
		}
		return result(answer.Roots[0].Name, nil)
	})
	add("update", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return result("updated", h.UpdateResource(ctx, r.GetString("uri", "")))
	})
	// rounds asks for a sampling answer, and remembers a secret in its state.
	add("rounds", func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.Params.RequestState == "" {
			b := server.NewInputRequestBuilder("the secret")
			return b.Sample("q", mcp.CreateMessageParams{MaxTokens: 1}).ToolResult(), nil
		}
		return result("state: "+r.Params.RequestState, nil)
	})
	for _, uri := range []string{"test://a", "test://b"} {
		s.AddResource(mcp.NewResource(uri, uri), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, Text: "x"}}, nil
		})
	}
}
