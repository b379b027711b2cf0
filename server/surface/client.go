package surface

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// logTo sends a log notification to the client that called, if it wants this
// level. An error means that the client will not see it.
func logTo(ctx context.Context, level mcp.LoggingLevel, text string) error {
	return server.ServerFromContext(ctx).SendLogMessageToClient(ctx,
		mcp.NewLoggingMessageNotification(level, "prynai", text))
}

// progressTo tells the client that called how far its call is, if it asked to
// be told.
func progressTo(ctx context.Context, request mcp.CallToolRequest, done, total int, text string) error {
	if request.Params.Meta == nil || request.Params.Meta.ProgressToken == nil {
		return nil
	}
	return server.ServerFromContext(ctx).SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
		"progressToken": request.Params.Meta.ProgressToken,
		"progress":      float64(done) / float64(total),
		"total":         1.0,
		"message":       text,
	})
}
