package main

import (
	"context"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/auth"
	"github.com/prynai/prynai-mcp/server/surface"
)

// adminRole is what the tool "admin" needs.
const adminRole = "Mcp.Admin"

// probe is a surface that tells what reached it.
type probe struct {
	engine *server.MCPServer
	*reached
	impatient bool // without the tools that wait for somebody
}

// reached is what the replicas of a test share.
type reached struct {
	release chan struct{} // lets the running calls of "wait" return

	mu    sync.Mutex
	tools []string
}

func newReached() *reached { return &reached{release: make(chan struct{})} }

func (r *reached) add(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tools = append(r.tools, what)
}

// has reports whether it was reached, and forgets it.
func (r *reached) has(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.tools, what)
	if i >= 0 {
		r.tools = slices.Delete(r.tools, i, i+1)
	}
	return i >= 0
}

// forget makes room for what comes.
func (r *reached) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tools = nil
}

func newProbe(r *reached) *probe {
	return &probe{reached: r, engine: server.NewMCPServer("probe", "test",
		server.WithToolCapabilities(true), server.WithLogging(), server.WithRecovery(),
		server.WithResourceCapabilities(true, false))}
}

func (p *probe) Engine() *server.MCPServer { return p.engine }

func (p *probe) Access(tool string) auth.Requirement {
	if tool == "admin" {
		return auth.Requirement{AnyRole: []string{adminRole}, AnyScope: []string{"mcp.admin"}}
	}
	return auth.None
}

func (p *probe) Computes(string) bool { return false }

func (p *probe) Register(surface.Dependencies) {
	for name, run := range map[string]server.ToolHandlerFunc{
		"open":  returnText,
		"admin": returnText,
		"fault": func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultError("the tool's own failure"), nil
		},
		"panic": func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("of the tool") },
		"wait":  p.wait,
		"ask":   p.ask,
		"state": askWithState,
	} {
		if p.impatient && (name == "wait" || name == "ask") {
			continue
		}
		p.engine.AddTool(mcp.NewTool(name), func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			p.add(name)
			return run(ctx, request)
		})
	}
	p.engine.AddResource(mcp.Resource{URI: "probe://resource", Name: "resource"},
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) { return nil, nil })
}

func returnText(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	return mcp.NewToolResultText("result of " + request.Params.Name), nil
}

// wait tells the client that it waits, which makes the reply a stream.
func (p *probe) wait(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if err := p.engine.SendNotificationToClient(ctx, "notifications/waiting", nil); err != nil {
		return nil, err
	}
	select {
	case <-p.release:
		return returnText(ctx, request)
	case <-ctx.Done():
		p.add("wait cancelled")
		return nil, context.Cause(ctx)
	}
}

func (p *probe) ask(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer, err := server.ClientSessionFromContext(ctx).(server.SessionWithSampling).RequestSampling(ctx,
		mcp.CreateMessageRequest{CreateMessageParams: mcp.CreateMessageParams{MaxTokens: 1}})
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultText(mcp.GetTextFromContent(answer.Content)), nil
}

func askWithState(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if request.Params.RequestState == "" {
		return server.NewInputRequestBuilder("the first one's state").Elicit("sure", mcp.ElicitationParams{
			Message:         "Sure?",
			RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{"ok": map[string]any{"type": "boolean"}}},
		}).ToolResult(), nil
	}
	return mcp.NewToolResultText("state: " + request.Params.RequestState), nil
}
