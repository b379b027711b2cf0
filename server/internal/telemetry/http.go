package telemetry

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// HTTP returns a middleware that traces and measures requests, but for those of
// the routes in quiet. It does what otelhttp does, and repeats nothing of a
// request that a stranger is free to choose.
//
// route answers the pattern, as of [http.ServeMux], that a request matches.
func (t *Telemetry) HTTP(route func(*http.Request) string, quiet ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if t == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path := pathOf(route(r))
			if slices.Contains(quiet, path) {
				next.ServeHTTP(w, r)
				return
			}
			t.serve(next, w, r, path)
		})
	}
}

func (t *Telemetry) serve(next http.Handler, w http.ResponseWriter, r *http.Request, path string) {
	started := time.Now()
	method := methodOf(r.Method)
	attributes := append(make([]attribute.KeyValue, 0, 4), semconv.HTTPRequestMethodKey.String(method))
	name := method
	if path != "" {
		attributes = append(attributes, semconv.HTTPRoute(path))
		name += " " + path
	}
	ctx := r.Context()
	if remote := t.remote(r.Header.Get("Traceparent")); remote.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	answer := &statusWriter{ResponseWriter: w}
	answer.streams = func(change int64) { t.streams.Add(context.WithoutCancel(ctx), change) }
	defer func() { // a panic that means "abort" passes through here
		if answer.stream {
			answer.streams(-1)
		}
		if answer.status == 0 && ctx.Err() == nil {
			answer.status = http.StatusOK // net/http's own default
		}
		if answer.status > 0 {
			status := semconv.HTTPResponseStatusCode(answer.status)
			span.SetAttributes(status)
			attributes = append(attributes, status)
		}
		if answer.status >= http.StatusInternalServerError {
			failed := semconv.ErrorTypeKey.String(strconv.Itoa(answer.status))
			span.SetAttributes(failed)
			span.SetStatus(codes.Error, "")
			attributes = append(attributes, failed)
		}
		span.End()
		t.requests.Record(context.WithoutCancel(ctx), time.Since(started).Seconds(), metric.WithAttributes(attributes...))
	}()
	next.ServeHTTP(answer, r.WithContext(ctx))
}

// pathOf takes the path from a pattern like "GET /{$}".
func pathOf(pattern string) string {
	if _, path, found := strings.Cut(pattern, " "); found {
		pattern = path
	}
	return strings.TrimSuffix(pattern, "{$}")
}

// methodOf is a method that HTTP defines, or the conventions' word for others.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodHead,
		http.MethodPut, http.MethodPatch, http.MethodConnect, http.MethodTrace:
		return method
	}
	return other
}

// remote is the place in a trace that a caller states, or an invalid one. What
// the caller says of sampling is replaced by a decision of our own.
func (t *Telemetry) remote(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx).WithTraceFlags(trace.TraceFlags(0).WithSampled(rand.Float64() < t.share))
}

// statusWriter sees the status of an answer, and whether it is a stream.
type statusWriter struct {
	http.ResponseWriter
	status  int
	stream  bool
	streams func(change int64) // counts those that are open
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx are not the answer yet
		w.status = status
		if w.stream = w.Header().Get("Content-Type") == "text/event-stream"; w.stream {
			w.streams(1)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Flush is for those who look for an http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
