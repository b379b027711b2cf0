// Package conformance is the surface that the official conformance suite
// (@modelcontextprotocol/conformance) tests a server by: its tools, resources
// and prompts, under the names and with the contents that the suite expects.
//
// It holds no protocol. A test binary serves it in place of package surface;
// routes, middleware, sessions and transport are the product's, and so it is
// those that the suite judges. It is not part of the server's program.
package conformance

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/auth"
	"github.com/prynai/prynai-mcp/server/surface"
)

// Surface is served like that of the product.
type Surface struct{ engine *server.MCPServer }

// New makes the surface; build is the version that clients are told.
func New(build string) *Surface {
	return &Surface{server.NewMCPServer("conformance fixture", build,
		server.WithToolCapabilities(true),
		server.WithResourceCapabilities(true, true),
		server.WithPromptCapabilities(true),
		server.WithLogging(),
		server.WithCompletions(),
		server.WithPromptCompletionProvider(completions{}),
		server.WithRecovery(),
	)}
}

// Engine is what the transport hands requests to.
func (s *Surface) Engine() *server.MCPServer { return s.engine }

// Register adds the fixtures, which depend on nothing.
func (s *Surface) Register(surface.Dependencies) {
	s.engine.AddTools(contentTools()...)
	s.engine.AddTools(askingTools()...)
	s.engine.AddTools(roundTools()...)
	s.engine.AddTools(statelessTools()...)
	s.engine.AddResources(resources()...)
	s.engine.AddResourceTemplates(template())
	s.engine.AddPrompts(prompts()...)
}

// Access lets everyone call every tool.
func (s *Surface) Access(string) auth.Requirement { return auth.None }

// Computes says of every tool that it may send something.
func (s *Surface) Computes(string) bool { return false }

// completions knows none: that the request is answered is what is tested.
type completions struct{}

func (completions) CompletePromptArgument(context.Context, string, mcp.CompleteArgument, mcp.CompleteContext) (*mcp.Completion, error) {
	return &mcp.Completion{Values: []string{}}, nil
}

// tool describes a tool, whose arguments the options declare.
func tool(name, description string, handler server.ToolHandlerFunc, options ...mcp.ToolOption) server.ServerTool {
	options = append([]mcp.ToolOption{mcp.WithDescription(description)}, options...)
	return server.ServerTool{Tool: mcp.NewTool(name, options...), Handler: handler}
}

// returning is the handler of a tool that always answers the same.
func returning(result *mcp.CallToolResult) server.ToolHandlerFunc {
	return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { return result, nil }
}

func content(parts ...mcp.Content) *mcp.CallToolResult { return &mcp.CallToolResult{Content: parts} }

// object is the schema of an object with these properties.
func object(properties map[string]any, required ...string) map[string]any {
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// property is the schema of a property of a JSON type.
func property(kind string) map[string]any { return map[string]any{"type": kind} }
