package surface

import (
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

type addInput struct {
	A int64 `json:"a" jsonschema:"the first addend"`
	B int64 `json:"b" jsonschema:"the second addend"`
}

type addOutput struct {
	Result int64 `json:"result"`
}

func add() Tool {
	tool := mcp.NewTool("add",
		mcp.WithToolTitle("Add two integers"),
		mcp.WithDescription("Returns the sum of the integers a and b. Use it whenever an exact sum is needed."),
		mcp.WithReadOnlyHintAnnotation(true),
		mcp.WithIdempotentHintAnnotation(true),
		mcp.WithDestructiveHintAnnotation(false),
		mcp.WithOpenWorldHintAnnotation(false),
		mcp.WithOutputSchema[addOutput](),
	)
	return compute(tool, auth.None, addInput{}, nil, func(in addInput) (*mcp.CallToolResult, error) {
		sum := in.A + in.B
		if (sum > in.A) != (in.B > 0) && in.B != 0 {
			return mcp.NewToolResultError("the sum does not fit into 64 bits"), nil
		}
		return mcp.NewToolResultStructured(addOutput{sum}, strconv.FormatInt(sum, 10)), nil
	})
}
