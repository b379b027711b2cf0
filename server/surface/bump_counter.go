package surface

import (
	"context"
	"fmt"
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

type bumpCounterInput struct {
	Step int64 `json:"step,omitempty" jsonschema:"what to add; may be negative"`
}

func bumpCounter(d Dependencies) Tool {
	tool := mcp.NewTool("bump_counter",
		mcp.WithToolTitle("Bump the counter"),
		mcp.WithDescription("Adds step (1 by default) to the shared counter and returns its new value. "+
			"Subscribers of the resource prynai://counter are told. An error that speaks of doubt means that the addition may have happened: read the counter before you repeat it."),
		mcp.WithReadOnlyHintAnnotation(false),
		mcp.WithIdempotentHintAnnotation(false),
		mcp.WithDestructiveHintAnnotation(false),
		mcp.WithOpenWorldHintAnnotation(false),
	)
	return define(tool, auth.None, bumpCounterInput{Step: 1}, nil,
		func(ctx context.Context, _ mcp.CallToolRequest, in bumpCounterInput) (*mcp.CallToolResult, error) {
			value, err := d.Counter.Add(ctx, in.Step)
			if err != nil {
				return nil, fail("the counter's store did not answer, so it is in doubt whether the addition happened", err)
			}
			// The addition is done: what fails from here on must not look as if
			// it were not.
			if err := d.Updates.UpdateResource(ctx, counterURI); err != nil {
				_ = logTo(ctx, mcp.LoggingLevelWarning, "subscribers of the counter could not be told")
			}
			_ = logTo(ctx, mcp.LoggingLevelInfo, fmt.Sprintf("counter updated -> %d", value))
			return mcp.NewToolResultText(strconv.FormatInt(value, 10)), nil
		})
}
