package conformance

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	sound = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

	imageType = "image/png"
	soundType = "audio/wav"
	textType  = "text/plain"
	jsonType  = "application/json"
)

// step is the time that the suite wants between two notifications.
const step = 50 * time.Millisecond

// schema2020 uses what JSON Schema 2020-12 has and older drafts have not.
const schema2020 = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"$defs": {"address": {
		"$anchor": "addressDef",
		"type": "object",
		"properties": {"street": {"type": "string"}, "city": {"type": "string"}}
	}},
	"properties": {
		"name": {"type": "string"},
		"address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"},
		"email": {"type": "string"}
	},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]},
	"else": {"required": ["email"]},
	"additionalProperties": false
}`

// contentTools answer every kind of content.
func contentTools() []server.ServerTool {
	return []server.ServerTool{
		tool("test_simple_text", "Answers a text.",
			returning(mcp.NewToolResultText("This is a simple text response for testing."))),
		tool("test_image_content", "Answers an image.",
			returning(content(mcp.NewImageContent(image, imageType)))),
		tool("test_audio_content", "Answers a sound.",
			returning(content(mcp.NewAudioContent(sound, soundType)))),
		tool("test_embedded_resource", "Answers a resource.",
			returning(content(embedded("test://embedded-resource", textType, "This is an embedded resource content.")))),
		tool("test_multiple_content_types", "Answers a text, an image and a resource.",
			returning(content(
				mcp.NewTextContent("Multiple content types test:"),
				mcp.NewImageContent(image, imageType),
				embedded("test://mixed-content-resource", jsonType, `{"test":"data","value":123}`),
			))),
		tool("test_error_handling", "Fails.",
			returning(mcp.NewToolResultError("This tool intentionally returns an error for testing"))),
		tool("test_tool_with_progress", "Reports progress.", progress),
		{
			Tool:    mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Has an input schema of JSON Schema 2020-12.", json.RawMessage(schema2020)),
			Handler: returning(mcp.NewToolResultText("accepted")),
		},
	}
}

func embedded(uri, mimeType, text string) mcp.EmbeddedResource {
	return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: mimeType, Text: text})
}

func progress(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	meta := request.Params.Meta
	if meta == nil || meta.ProgressToken == nil {
		return mcp.NewToolResultText("no progress was asked for"), nil
	}
	for _, done := range []int{0, 50, 100} {
		if done > 0 {
			time.Sleep(step)
		}
		err := server.ServerFromContext(ctx).SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress),
			map[string]any{"progressToken": meta.ProgressToken, "progress": done, "total": 100})
		if err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText("done"), nil
}
