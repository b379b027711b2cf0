package mcphttp

import (
	"context"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Access decides who may call which tool.
type Access interface {
	// Authorize returns an error where the caller may not call the tool.
	Authorize(ctx context.Context, tool string) error
	// Deny answers a request that was refused with that error.
	Deny(w http.ResponseWriter, r *http.Request, err error)
}

// denial is an error of [Access.Authorize], which [Access.Deny] answers.
type denial struct{ error }

// authorize refuses the call of a tool before anything is begun for it. That
// the tool is the one which mcp-go will run is not relied upon: see hideTools.
func (h *Handler) authorize(ctx context.Context, m *message) error {
	if h.access == nil || !m.isRequest() {
		return nil
	}
	tool := h.namedTool(m)
	if tool == nil {
		return nil // mcp-go's to answer
	}
	if err := h.access.Authorize(ctx, tool.Tool.Name); err != nil {
		return denial{err}
	}
	return nil
}

// hideTools has mcp-go show a caller only the tools that it may call. mcp-go
// also goes by this when it looks up the tool of a call, however a message that
// can be read in two ways has been read here.
func (h *Handler) hideTools() {
	if h.access == nil {
		return
	}
	server.WithToolFilter(func(ctx context.Context, all []mcp.Tool) []mcp.Tool {
		var allowed []mcp.Tool
		for _, tool := range all {
			if h.access.Authorize(ctx, tool.Name) == nil {
				allowed = append(allowed, tool)
			}
		}
		return allowed
	})(h.server)
}
