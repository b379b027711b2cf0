package surface

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// failure is an error with a text for the client; the cause is the operator's.
type failure struct {
	text  string
	cause error // nil where the client's own mistake is all there is to say
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

func fail(text string, cause error) error { return &failure{text, cause} }

// errInternal is what a client learns of an error that was not meant for it.
var errInternal = errors.New("internal error: the server's log has the cause")

// failures sees to it that no handler's raw error reaches a client.
type failures struct{ log *slog.Logger }

// tell returns the client's side of an error, and logs the operator's.
func (f failures) tell(ctx context.Context, handler string, err error) error {
	var known *failure
	if !errors.As(err, &known) {
		known = &failure{text: errInternal.Error(), cause: err}
	}
	if known.cause != nil && ctx.Err() == nil {
		f.log.LogAttrs(ctx, slog.LevelWarn, "handler failed", slog.String("handler", handler), slog.Any("error", known.cause))
	}
	return errors.New(known.text)
}

// tools turns errors, and panics, into error results, which a model can see.
func (f failures) tools(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (result *mcp.CallToolResult, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			}
			if err != nil {
				result, err = mcp.NewToolResultError(f.tell(ctx, request.Params.Name, err).Error()), nil
			}
		}()
		return next(ctx, request)
	}
}

func (f failures) resources(next server.ResourceHandlerFunc) server.ResourceHandlerFunc {
	return func(ctx context.Context, request mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		contents, err := next(ctx, request)
		if err != nil {
			return nil, f.tell(ctx, request.Params.URI, err)
		}
		return contents, nil
	}
}

func (f failures) prompts(next server.PromptHandlerFunc) server.PromptHandlerFunc {
	return func(ctx context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		result, err := next(ctx, request)
		if err != nil {
			return nil, f.tell(ctx, request.Params.Name, err)
		}
		return result, nil
	}
}
