package peer

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/surface"
)

// mcpGo is mcp-go's own HTTP server with this project's tools.
func mcpGo() http.Handler {
	s := surface.New("bench")
	memory := &inMemory{engine: s.MCPServer}
	s.Register(surface.Dependencies{Counter: memory, Updates: memory, Logger: slog.New(slog.DiscardHandler)})
	return server.NewStreamableHTTPServer(s.MCPServer)
}

// inMemory is what the tools need, in one process.
type inMemory struct {
	engine *server.MCPServer
	value  atomic.Int64
}

func (m *inMemory) Add(_ context.Context, n int64) (int64, error) { return m.value.Add(n), nil }
func (m *inMemory) Value(context.Context) (int64, error)          { return m.value.Load(), nil }

func (m *inMemory) UpdateResource(_ context.Context, uri string) error {
	m.engine.SendNotificationToAllClients("notifications/resources/updated", map[string]any{"uri": uri})
	return nil
}
