package telemetry

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/trace"
)

// Logs returns a handler that sends records to the collector as well, and names
// in each the trace that it belongs to.
func (t *Telemetry) Logs(local slog.Handler) slog.Handler {
	if t == nil {
		return local
	}
	return logHandler{local, otelslog.NewHandler(scope, otelslog.WithLoggerProvider(t.logs))}
}

// logHandler is for records of the server, whose level is the local handler's.
type logHandler struct{ local, remote slog.Handler }

// Enabled is part of [slog.Handler].
func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.local.Enabled(ctx, level)
}

// Handle is part of [slog.Handler].
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.remote.Handle(ctx, r) // which knows the trace by ctx
	if at := trace.SpanContextFromContext(ctx); at.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", at.TraceID().String()), slog.String("span_id", at.SpanID().String()))
	}
	return errors.Join(err, h.local.Handle(ctx, r))
}

// WithAttrs is part of [slog.Handler].
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.local.WithAttrs(attrs), h.remote.WithAttrs(attrs)}
}

// WithGroup is part of [slog.Handler].
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.local.WithGroup(name), h.remote.WithGroup(name)}
}
