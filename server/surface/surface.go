// Package surface is what MCP clients see: the tools, resources and prompts,
// one file each. Adding a tool is a new file and a line in [tools].
//
// Handlers are plain mcp-go handlers. They run on whichever replica a request
// reaches and keep nothing between calls; what must last is in Redis, behind
// the interfaces of [Dependencies]. One handler serves every protocol revision.
//
// # Trust boundary
//
// Arguments are a stranger's. They are decoded into a tool's input type and
// checked against it before the tool runs; what does not fit is answered as a
// tool error that a model can act on.
package surface

import (
	"context"
	"log/slog"

	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

// Dependencies are what the surface needs of the rest of the server.
type Dependencies struct {
	Counter Counter
	Updates Updates
	Logger  *slog.Logger
}

// Counter is shared by all replicas and outlives them.
type Counter interface {
	// Add adds atomically and returns the new value. An error means that the
	// addition may or may not have taken effect; it is never repeated.
	Add(ctx context.Context, n int64) (int64, error)
	// Value is 0 for a counter that nothing was added to.
	Value(ctx context.Context) (int64, error)
}

// Updates reaches whoever is subscribed to a resource, on any replica.
type Updates interface {
	UpdateResource(ctx context.Context, uri string) error
}

// tools is the list of all tools, in the order in which clients see them.
func tools(d Dependencies) []Tool {
	return []Tool{
		add(),
		echo(),
		longTask(),
		summarizeViaClientLLM(),
		bumpCounter(d),
	}
}

// Server is the surface as mcp-go serves it, and who may use what.
type Server struct {
	*server.MCPServer
	tools map[string]Tool
}

// New makes the surface; build is the version that clients are told.
func New(build string) *Server {
	return &Server{
		MCPServer: server.NewMCPServer("PrynAI MCP", build,
			server.WithToolCapabilities(false),
			server.WithResourceCapabilities(true, false),
			server.WithPromptCapabilities(false),
			server.WithLogging(),
			server.WithCompletions(),
			server.WithPromptCompletionProvider(completions{}),
			server.WithResourceRecovery(),
			server.WithInstructions(instructions),
		),
		tools: map[string]Tool{},
	}
}

const instructions = "PrynAI MCP: example tools on a server of many replicas. " +
	"bump_counter changes the resource prynai://counter, which you can subscribe to."

// Engine is what the transport hands requests to.
func (s *Server) Engine() *server.MCPServer { return s.MCPServer }

// Register adds everything. It is apart from New because the transport, which
// the dependencies need, is made for a server that exists.
func (s *Server) Register(d Dependencies) {
	report := failures{d.Logger}
	server.WithResourceHandlerMiddleware(report.resources)(s.MCPServer)
	server.WithPromptHandlerMiddleware(report.prompts)(s.MCPServer)
	for _, tool := range tools(d) {
		tool.Handler = report.tools(tool.Handler)
		s.declare(tool)
	}
	s.AddResources(statusResource(), counterResource(d))
	s.AddPrompts(quickSummary())
}

func (s *Server) declare(tool Tool) {
	s.AddTools(tool.ServerTool)
	s.tools[tool.Tool.Name] = tool
}

// Access is what a caller of the tool needs. A tool that was not declared here
// allows no one.
func (s *Server) Access(tool string) auth.Requirement { return s.tools[tool].access }

// Computes reports whether a tool neither waits nor sends anything.
func (s *Server) Computes(tool string) bool { return s.tools[tool].computes }
