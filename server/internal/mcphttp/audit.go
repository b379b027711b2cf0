package mcphttp

import (
	"context"
	"errors"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Outcome is how the call of a tool ended.
type Outcome string

// The outcomes. What a tool does after it was cancelled or lost is not told.
const (
	Succeeded Outcome = "ok"
	ToolError Outcome = "tool error"     // the result says isError
	Asked     Outcome = "input required" // the client is to call again with its answers
	Failed    Outcome = "error"          // there is no result
	Cancelled Outcome = "cancelled"      // by the client, or with its session
	Lost      Outcome = "lost"           // to the shutdown of the replica
)

// ToolCall is a call that has ended. Arguments and results are nobody's but
// the caller's.
type ToolCall struct {
	Tool     string
	Outcome  Outcome
	Duration time.Duration
}

// auditTools has every call recorded once: when its tool returns, or when it
// is cancelled, since a tool may ignore that for as long as it likes.
func (h *Handler) auditTools() {
	if h.audit == nil {
		return
	}
	h.useTools(func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			tool, started := request.Params.Name, time.Now()
			record := func(o Outcome) {
				h.audit(ctx, ToolCall{Tool: tool, Outcome: o, Duration: time.Since(started)})
			}
			notCancelled := func() bool { return true }
			if ctx.Done() != nil {
				notCancelled = context.AfterFunc(ctx, func() { record(outcomeOf(context.Cause(ctx))) })
			}
			outcome := Failed // also where the tool panics
			defer func() {
				if notCancelled() {
					record(outcome)
				}
			}()
			result, err := next(ctx, request)
			outcome = outcomeOfResult(result, err)
			return result, err
		}
	})
}

func outcomeOfResult(result *mcp.CallToolResult, err error) Outcome {
	switch {
	case err != nil || result == nil:
		return Failed
	case result.NeedsInput():
		return Asked
	case result.IsError:
		return ToolError
	}
	return Succeeded
}

func outcomeOf(cause error) Outcome {
	switch {
	case errors.Is(cause, errLost):
		return Lost
	case errors.Is(cause, errLimit):
		return Failed
	}
	return Cancelled
}
