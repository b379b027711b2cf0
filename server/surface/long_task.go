package surface

import (
	"context"
	"fmt"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

const (
	stepTime  = 200 * time.Millisecond
	mostSteps = 3000
)

type longTaskInput struct {
	Steps int `json:"steps,omitempty" jsonschema:"how many steps to run; each takes 200 ms"`
}

func longTask() Tool {
	tool := mcp.NewTool("long_task",
		mcp.WithToolTitle("Run a long task"),
		mcp.WithDescription("Works for 200 ms per step, 1 to 3000 steps, and reports progress after each. "+
			"Use it to see progress notifications, cancellation and resumption; it has no other effect."),
		mcp.WithReadOnlyHintAnnotation(true),
		mcp.WithIdempotentHintAnnotation(true),
		mcp.WithDestructiveHintAnnotation(false),
		mcp.WithOpenWorldHintAnnotation(false),
	)
	return define(tool, auth.None, longTaskInput{Steps: 3}, between("steps", 1, mostSteps), runLongTask)
}

func runLongTask(ctx context.Context, request mcp.CallToolRequest, in longTaskInput) (*mcp.CallToolResult, error) {
	if in.Steps < 1 || in.Steps > mostSteps {
		return mcp.NewToolResultError(fmt.Sprintf("argument \"steps\" must be from 1 to %d, not %d", mostSteps, in.Steps)), nil
	}
	if err := logTo(ctx, mcp.LoggingLevelInfo, fmt.Sprintf("long_task starting: %d steps", in.Steps)); err != nil {
		return nil, err
	}
	ticker := time.NewTicker(stepTime)
	defer ticker.Stop()
	for step := 1; step <= in.Steps; step++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := progressTo(ctx, request, step, in.Steps, fmt.Sprintf("step %d/%d", step, in.Steps)); err != nil {
			return nil, err
		}
	}
	if err := logTo(ctx, mcp.LoggingLevelWarning, "long_task done"); err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("done"), nil
}
