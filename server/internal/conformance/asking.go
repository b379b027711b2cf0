package conformance

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// askingTools log, and ask the client things, on the stream of their call. In
// the stateless revision this is refused; see roundTools.
func askingTools() []server.ServerTool {
	return []server.ServerTool{
		tool("test_tool_with_logging", "Logs three times.", logThrice),
		tool("test_reconnection", "Answers on a stream that can be resumed.", logThrice),
		tool("test_sampling", "Asks the client's model.", sample,
			mcp.WithString("prompt", mcp.Required(), mcp.Description("what to ask"))),
		tool("test_elicitation", "Asks the user.", func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, request.GetString("message", ""), object(map[string]any{
				"username": property("string"),
				"email":    property("string"),
			}, "username", "email"))
		}, mcp.WithString("message", mcp.Required(), mcp.Description("what to ask"))),
		tool("test_elicitation_sep1034_defaults", "Asks the user, with defaults.", elicitWith("Keep or change the defaults.", map[string]any{
			"name":     map[string]any{"type": "string", "default": "John Doe"},
			"age":      map[string]any{"type": "integer", "default": 30},
			"score":    map[string]any{"type": "number", "default": 95.5},
			"status":   map[string]any{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
			"verified": map[string]any{"type": "boolean", "default": true},
		})),
		tool("test_elicitation_sep1330_enums", "Asks the user to choose.", elicitWith("Choose.", enums())),
	}
}

// enums are the five ways to offer a choice.
func enums() map[string]any {
	values := []string{"one", "two", "three"}
	titled := []map[string]any{
		{"const": "one", "title": "The first"},
		{"const": "two", "title": "The second"},
	}
	return map[string]any{
		"untitledSingle": map[string]any{"type": "string", "enum": values},
		"titledSingle":   map[string]any{"type": "string", "oneOf": titled},
		"legacyEnum":     map[string]any{"type": "string", "enum": values, "enumNames": []string{"The first", "The second", "The third"}},
		"untitledMulti":  map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": values}},
		"titledMulti":    map[string]any{"type": "array", "items": map[string]any{"anyOf": titled}},
	}
}

func logThrice(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for i, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if i > 0 {
			time.Sleep(step)
		}
		if err := logInfo(ctx, text); err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText("done"), nil
}

func logInfo(ctx context.Context, text string) error {
	return server.ServerFromContext(ctx).SendLogMessageToClient(ctx,
		mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "conformance", text))
}

func sample(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	//nolint:staticcheck // deprecated since 2026-07-28; the older revisions have it
	answer, err := server.ServerFromContext(ctx).RequestSampling(ctx, mcp.CreateMessageRequest{
		CreateMessageParams: samplingParams(request.GetString("prompt", ""), 100),
	})
	if err != nil {
		return mcp.NewToolResultErrorFromErr("no answer of the model", err), nil
	}
	text, _ := answer.Content.(mcp.TextContent)
	return mcp.NewToolResultText("LLM response: " + text.Text), nil
}

func samplingParams(prompt string, maxTokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{
		Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(prompt)}},
		MaxTokens: maxTokens,
	}
}

func elicitWith(message string, properties map[string]any) server.ToolHandlerFunc {
	return func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return elicit(ctx, message, object(properties))
	}
}

func elicit(ctx context.Context, message string, schema map[string]any) (*mcp.CallToolResult, error) {
	answer, err := server.ServerFromContext(ctx).RequestElicitation(ctx, mcp.ElicitationRequest{
		Params: mcp.ElicitationParams{Message: message, RequestedSchema: schema},
	})
	if err != nil {
		return mcp.NewToolResultErrorFromErr("no answer of the user", err), nil
	}
	text, err := json.Marshal(answer.ElicitationResponse)
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("User response: " + string(text)), nil
}
