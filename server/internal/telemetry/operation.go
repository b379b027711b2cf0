package telemetry

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Keys of the conventions for MCP, which the SDK's constants lack.
const (
	mcpMethodName      = attribute.Key("mcp.method.name")
	mcpProtocolVersion = attribute.Key("mcp.protocol.version")
	mcpSessionID       = attribute.Key("mcp.session.id")
	mcpResourceURI     = attribute.Key("mcp.resource.uri")
	genAIOperationName = attribute.Key("gen_ai.operation.name")
	genAIToolName      = attribute.Key("gen_ai.tool.name")
	genAIPromptName    = attribute.Key("gen_ai.prompt.name")
)

// other is the conventions' word for what is not in a closed set.
const other = "_OTHER"

// Operation is an MCP request or notification that begins.
type Operation struct {
	// From closed sets; empty where the request's own is not in it.
	Method, Tool, Prompt, Resource string
	// For spans alone.
	Session, Request string
	Traceparent      string // of the request's _meta
}

// Result is how an operation ended.
type Result struct {
	Protocol string // the revision that is spoken
	Code     int    // of a JSON-RPC error, or 0
	Failure  string // what kind of failure, from a closed set, where it is not the code
}

// Running is an operation that has begun. A nil one is of no telemetry.
type Running struct {
	durations  metric.Float64Histogram
	span       trace.Span
	started    time.Time
	attributes []attribute.KeyValue
}

// Begin begins an operation; what ctx returns is its context. The caller's place
// in a trace, where it states one, is the parent, and the HTTP request is linked;
// else the HTTP request is the parent.
func (t *Telemetry) Begin(ctx context.Context, o Operation) (context.Context, *Running) {
	if o.Method == "" {
		o.Method = other
	}
	attributes := append(make([]attribute.KeyValue, 0, 8), mcpMethodName.String(o.Method))
	name := o.Method
	switch {
	case o.Tool != "":
		name += " " + o.Tool
		attributes = append(attributes, genAIToolName.String(o.Tool), genAIOperationName.String("execute_tool"))
	case o.Prompt != "":
		name += " " + o.Prompt
		attributes = append(attributes, genAIPromptName.String(o.Prompt))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...)}
	if ambient := trace.SpanContextFromContext(ctx); o.Traceparent != "" {
		if remote := t.remote(o.Traceparent); remote.IsValid() {
			remote = remote.WithTraceFlags(ambient.TraceFlags()) // sampled as its HTTP request is
			ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
			options = append(options, trace.WithLinks(trace.Link{SpanContext: ambient}))
		}
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	if span.IsRecording() {
		for key, value := range map[attribute.Key]string{mcpSessionID: o.Session, mcpResourceURI: o.Resource, semconv.JSONRPCRequestIDKey: o.Request} {
			if value != "" {
				span.SetAttributes(key.String(value))
			}
		}
	}
	return ctx, &Running{durations: t.operations, span: span, started: time.Now(), attributes: attributes}
}

// BeginQuestion begins a request of this server to a client.
func (t *Telemetry) BeginQuestion(ctx context.Context, method string) (context.Context, *Running) {
	if t == nil {
		return ctx, nil
	}
	attributes := []attribute.KeyValue{mcpMethodName.String(method)}
	ctx, span := Start(ctx, method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx, &Running{durations: t.questions, span: span, started: time.Now(), attributes: attributes}
}

// End ends it. It is called once.
func (r *Running) End(ctx context.Context, result Result) {
	if r == nil {
		return
	}
	known := len(r.attributes)
	if result.Protocol != "" {
		r.attributes = append(r.attributes, mcpProtocolVersion.String(result.Protocol))
	}
	if result.Code != 0 {
		code := strconv.Itoa(result.Code)
		r.attributes = append(r.attributes, semconv.RPCResponseStatusCode(code))
		if result.Failure == "" {
			result.Failure = code
		}
	}
	if result.Failure != "" {
		r.attributes = append(r.attributes, semconv.ErrorTypeKey.String(result.Failure))
		r.span.SetStatus(codes.Error, "") // the error's message may quote the request
	}
	r.span.SetAttributes(r.attributes[known:]...)
	r.span.End()
	r.durations.Record(ctx, time.Since(r.started).Seconds(), metric.WithAttributes(r.attributes...))
}

// SessionEnded measures a session that its client has ended. Nobody sees the
// end of one that expires. created may be unknown, zero.
func (t *Telemetry) SessionEnded(ctx context.Context, protocol string, created time.Time) {
	if t != nil && !created.IsZero() {
		t.sessions.Record(ctx, time.Since(created).Seconds(), metric.WithAttributes(mcpProtocolVersion.String(protocol)))
	}
}
