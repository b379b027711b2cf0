package conformance

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// headerSchema has a parameter that clients repeat in a header (SEP-2243).
const headerSchema = `{
	"type": "object",
	"properties": {
		"region": {"type": "string", "x-mcp-header": "Region"},
		"level": {"type": "integer"}
	}
}`

// statelessTools are for what only the stateless revision has.
func statelessTools() []server.ServerTool {
	return []server.ServerTool{
		{
			Tool:    mcp.NewToolWithRawSchema("test_x_mcp_header", "Has a parameter that is sent as a header too.", json.RawMessage(headerSchema)),
			Handler: returning(mcp.NewToolResultText("accepted")),
		},
		tool("test_logging_tool", "Logs once.", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if err := logInfo(ctx, "logged"); err != nil {
				return nil, err
			}
			return mcp.NewToolResultText("logged"), nil
		}),
		tool("test_trigger_tool_change", "Changes the list of tools for a moment.", changeTools),
		tool("test_trigger_prompt_change", "Changes the list of prompts for a moment.", changePrompts),
	}
}

// The lists are as before after a change, so that every replica has the same.

func changeTools(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	const name = "test_momentary_tool"
	s := server.ServerFromContext(ctx)
	s.AddTools(tool(name, "Is there for a moment.", returning(mcp.NewToolResultText("here"))))
	s.DeleteTools(name)
	return mcp.NewToolResultText("changed"), nil
}

func changePrompts(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	const name = "test_momentary_prompt"
	s := server.ServerFromContext(ctx)
	s.AddPrompts(prompt(name, "Is there for a moment.", user(mcp.NewTextContent("here"))))
	s.DeletePrompts(name)
	return mcp.NewToolResultText("changed"), nil
}
