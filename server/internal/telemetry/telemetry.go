package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	// scope names this instrumentation to the collector.
	scope = "github.com/prynai/prynai-mcp/server"
	// closeWithin bounds the last delivery: a replica that ends has little time.
	closeWithin = 5 * time.Second
	// longestAttribute bounds what a stranger can have recorded.
	longestAttribute = 256
)

// Options say where telemetry goes, and whose it is.
type Options struct {
	Endpoint    string            // base URL of the collector; without it there is no telemetry
	Headers     map[string]string // secrets
	TLSRoots    *x509.CertPool    // nil: the system's
	Share       float64           // of the requests that are traced
	Environment string
	Build       string
	Log         *slog.Logger // of what goes wrong with telemetry itself
}

// Telemetry records. A nil one is valid, and does nothing.
type Telemetry struct {
	share  float64
	tracer trace.Tracer
	meter  metric.Meter
	logs   *sdklog.LoggerProvider
	report *reporter
	stops  []func(context.Context) error

	closeWithin time.Duration

	requests, operations, questions, sessions, commands metric.Float64Histogram
	streams                                             metric.Int64UpDownCounter
}

// Open begins to record; it does not wait for the collector. It is nil without
// an endpoint.
//
// The SDK has one handler of errors for the whole process, which Open sets.
func Open(o Options) (*Telemetry, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	t := &Telemetry{share: o.Share, report: newReporter(o.Log, o.Headers), closeWithin: closeWithin}
	otel.SetErrorHandler(t.report)
	otel.SetLogger(logr.Discard()) // it quotes variables that hold secrets
	ctx := context.Background()
	described := describe(ctx, o)
	if err := errors.Join(t.openTraces(ctx, o, described), t.openMetrics(ctx, o, described), t.openLogs(ctx, o, described)); err != nil {
		t.Close()
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return t, nil
}

// describe says whose telemetry it is. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES have the last word.
func describe(ctx context.Context, o Options) *resource.Resource {
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithHost(), // in Container Apps the name of the replica
		resource.WithAttributes(
			semconv.ServiceName("prynai-mcp"),
			semconv.ServiceVersion(o.Build),
			semconv.ServiceInstanceID(rand.Text()),
			semconv.DeploymentEnvironmentNameKey.String(o.Environment),
		),
		resource.WithFromEnv(),
	)
	if err != nil {
		otel.Handle(err) // what could be found out is there all the same
	}
	return described
}

// tlsConfig is nil for plain HTTP, which is for loopback.
func tlsConfig(o Options) *tls.Config {
	if !strings.HasPrefix(o.Endpoint, "https:") {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.TLSRoots}
}

func (t *Telemetry) openTraces(ctx context.Context, o Options, described *resource.Resource) error {
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(o.Endpoint + "/v1/traces"), otlptracehttp.WithHeaders(o.Headers)}
	if c := tlsConfig(o); c != nil {
		options = append(options, otlptracehttp.WithTLSClientConfig(c))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return err
	}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = longestAttribute
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(described),
		sdktrace.WithRawSpanLimits(limits),
		// A remote parent is as sampled as [Telemetry.remote] says.
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Share))),
	)
	t.tracer = provider.Tracer(scope)
	t.stops = append(t.stops, provider.Shutdown)
	return nil
}

func (t *Telemetry) openMetrics(ctx context.Context, o Options, described *resource.Resource) error {
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(o.Endpoint + "/v1/metrics"), otlpmetrichttp.WithHeaders(o.Headers)}
	if c := tlsConfig(o); c != nil {
		options = append(options, otlpmetrichttp.WithTLSClientConfig(c))
	}
	exporter, err := otlpmetrichttp.New(ctx, options...)
	if err != nil {
		return err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)), sdkmetric.WithResource(described))
	t.meter = provider.Meter(scope)
	t.stops = append(t.stops, provider.Shutdown)
	return t.openInstruments(o)
}

func (t *Telemetry) openLogs(ctx context.Context, o Options, described *resource.Resource) error {
	options := []otlploghttp.Option{otlploghttp.WithEndpointURL(o.Endpoint + "/v1/logs"), otlploghttp.WithHeaders(o.Headers)}
	if c := tlsConfig(o); c != nil {
		options = append(options, otlploghttp.WithTLSClientConfig(c))
	}
	exporter, err := otlploghttp.New(ctx, options...)
	if err != nil {
		return err
	}
	t.logs = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)), sdklog.WithResource(described))
	t.stops = append(t.stops, t.logs.Shutdown)
	return nil
}

// openInstruments has the boundaries that the conventions recommend.
func (t *Telemetry) openInstruments(o Options) error {
	var failed []error
	histogram := func(name, description string, boundaries ...float64) metric.Float64Histogram {
		h, err := t.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(boundaries...))
		failed = append(failed, err)
		return h
	}
	t.requests = histogram("http.server.request.duration", "Duration of HTTP server requests.",
		0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	t.operations = histogram("mcp.server.operation.duration", "MCP request or notification duration as observed on the receiver.", mcpBoundaries...)
	t.questions = histogram("mcp.client.operation.duration", "The duration of the MCP request as observed on the sender, of this server's requests to clients.", mcpBoundaries...)
	t.sessions = histogram("mcp.server.session.duration", "The duration of the MCP session as observed on the MCP server, of those that their client has ended.", mcpBoundaries...)
	t.commands = histogram("db.client.operation.duration", "Duration of commands of Redis.",
		0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
	var err error
	t.streams, err = t.meter.Int64UpDownCounter("prynai.streams.open", metric.WithDescription("Streams of events that are open."))
	failed = append(failed, err)
	t.streams.Add(context.Background(), 0) // else it would not be measured before the first stream
	t.Gauge("prynai.build.info", "1, with what this replica is built from.", func() int64 { return 1 },
		semconv.ServiceVersion(o.Build), attribute.String("go.version", runtime.Version()))
	return errors.Join(failed...)
}

var mcpBoundaries = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}

// Gauge measures what read returns, whenever metrics are sent. read must not
// block.
func (t *Telemetry) Gauge(name, description string, read func() int64, attributes ...attribute.KeyValue) {
	if t == nil {
		return
	}
	with := metric.WithAttributeSet(attribute.NewSet(attributes...))
	_, err := t.meter.Int64ObservableGauge(name, metric.WithDescription(description),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(read(), with)
			return nil
		}))
	if err != nil {
		otel.Handle(err)
	}
}

// Close sends what is queued, for five seconds at most.
func (t *Telemetry) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.closeWithin)
	defer cancel()
	results := make(chan error, len(t.stops))
	for _, stop := range t.stops {
		go func() { results <- stop(ctx) }()
	}
	var failed []error
	for range t.stops {
		failed = append(failed, <-results)
	}
	if err := errors.Join(failed...); err != nil {
		t.report.Handle(fmt.Errorf("the last of it was not delivered: %w", err))
	}
}

// Start begins a span within that of ctx; without one that is sampled it does
// nothing.
func Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsSampled() {
		return ctx, unrecorded
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, name, options...)
}

// unrecorded is a span of no trace.
var unrecorded = trace.SpanFromContext(context.Background())
