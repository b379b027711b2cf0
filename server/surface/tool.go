package surface

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

// Tool is a tool and what its callers need.
type Tool struct {
	server.ServerTool
	access   auth.Requirement
	computes bool // see compute
}

// handler runs a tool. An error is for faults of the server; what the caller
// got wrong, and what the tool could not do, is an error result.
type handler[In any] func(ctx context.Context, request mcp.CallToolRequest, in In) (*mcp.CallToolResult, error)

// define makes a tool. Its input schema comes from In: fields without omitempty
// are required, the others have the value that they have in defaults. refine
// adds to the schema what a type cannot say; it may be nil. access is what
// callers need: [auth.None] has to be written.
func define[In any](tool mcp.Tool, access auth.Requirement, defaults In, refine func(*jsonschema.Schema), run handler[In]) Tool {
	schema, err := inputSchema(defaults)
	if err != nil {
		panic(fmt.Sprintf("surface: input of tool %s: %v", tool.Name, err)) // wrong for every caller, so found by every test
	}
	if refine != nil {
		refine(schema)
	}
	encoded, err := json.Marshal(schema)
	if err != nil {
		panic(fmt.Sprintf("surface: schema of tool %s: %v", tool.Name, err))
	}
	tool.InputSchema = mcp.ToolInputSchema{}
	tool.RawInputSchema = encoded
	return Tool{access: access, ServerTool: server.ServerTool{
		Tool: tool,
		Handler: func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			in := defaults
			if err := bind(request, schema, &in); err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return run(ctx, request, in)
		},
	}}
}

// compute makes a tool as define does, of a function of the arguments alone.
// Without a context it cannot wait for anything, nor send anything, nor be
// cancelled, so that it is run without the means for that: for what is done in
// far less than a second.
func compute[In any](tool mcp.Tool, access auth.Requirement, defaults In, refine func(*jsonschema.Schema), run func(In) (*mcp.CallToolResult, error)) Tool {
	made := define(tool, access, defaults, refine, func(_ context.Context, _ mcp.CallToolRequest, in In) (*mcp.CallToolResult, error) {
		return run(in)
	})
	made.computes = true
	return made
}

// inputSchema reflects In, and notes its defaults.
func inputSchema[In any](defaults In) (*jsonschema.Schema, error) {
	schema, err := jsonschema.For[In](nil)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(defaults)
	if err != nil {
		return nil, err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &values); err != nil {
		return nil, err
	}
	for name, property := range schema.Properties {
		if value, ok := values[name]; ok && !slices.Contains(schema.Required, name) {
			property.Default = value
		}
	}
	return schema, nil
}

// between bounds an integer argument, in the schema; the tool checks it.
func between(name string, least, most float64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		s.Properties[name].Minimum, s.Properties[name].Maximum = &least, &most
	}
}
