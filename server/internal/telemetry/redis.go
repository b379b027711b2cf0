package telemetry

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Redis returns a client whose commands are measured, and traced where they
// belong to a trace. rueidisotel would begin a trace of its own for each of the
// replicas' signs of life.
func (t *Telemetry) Redis(client rueidis.Client) rueidis.Client {
	if t == nil {
		return client
	}
	return observed{client, t}
}

// observed sees the commands of Do and DoMulti, which are nearly all.
type observed struct {
	rueidis.Client
	telemetry *Telemetry
}

// Do is part of [rueidis.Client].
func (o observed) Do(ctx context.Context, command rueidis.Completed) rueidis.RedisResult {
	ctx, done := o.telemetry.command(ctx, command.Commands()[0])
	result := o.Client.Do(ctx, command)
	done(result.Error())
	return result
}

// DoMulti is part of [rueidis.Client].
func (o observed) DoMulti(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	ctx, done := o.telemetry.command(ctx, "PIPELINE", semconv.DBOperationBatchSize(len(commands)))
	results := o.Client.DoMulti(ctx, commands...)
	var failed error
	for _, result := range results {
		if err := result.Error(); failureOf(err) != "" {
			failed = err
		}
	}
	done(failed)
	return results
}

// command begins a command, whose name is one of ours.
func (t *Telemetry) command(ctx context.Context, name string, traced ...attribute.KeyValue) (context.Context, func(error)) {
	started := time.Now()
	attributes := append(make([]attribute.KeyValue, 0, 3), semconv.DBSystemNameRedis, semconv.DBOperationName(name))
	ctx, span := Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...), trace.WithAttributes(traced...))
	return ctx, func(err error) {
		if failure := failureOf(err); failure != "" {
			failed := semconv.ErrorTypeKey.String(failure)
			attributes = append(attributes, failed)
			span.SetAttributes(failed)
			span.SetStatus(codes.Error, "")
		}
		span.End()
		t.commands.Record(ctx, time.Since(started).Seconds(), metric.WithAttributes(attributes...))
	}
}

// failureOf names the kind of an error, and is empty for what is none: an answer
// of nothing, and a script that Redis is about to be told.
func failureOf(err error) string {
	var reply *rueidis.RedisError
	switch {
	case err == nil, rueidis.IsRedisNil(err):
		return ""
	case errors.As(err, &reply):
		kind, _, _ := strings.Cut(reply.Error(), " ")
		if kind == "NOSCRIPT" {
			return ""
		}
		return kind
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "unavailable"
}
