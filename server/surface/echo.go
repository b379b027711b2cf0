package surface

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

type echoInput struct {
	Message string `json:"message" jsonschema:"the text to send back"`
}

func echo() Tool {
	tool := mcp.NewTool("echo",
		mcp.WithToolTitle("Echo a message"),
		mcp.WithDescription("Returns the message unchanged, and sends a log notification of level info. Use it to check that the connection works."),
		mcp.WithReadOnlyHintAnnotation(true),
		mcp.WithIdempotentHintAnnotation(true),
		mcp.WithDestructiveHintAnnotation(false),
		mcp.WithOpenWorldHintAnnotation(false),
	)
	return define(tool, auth.None, echoInput{}, nil,
		func(ctx context.Context, _ mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, error) {
			if err := logTo(ctx, mcp.LoggingLevelInfo, "echo called: "+in.Message); err != nil {
				return nil, err
			}
			return mcp.NewToolResultText(in.Message), nil
		})
}
