// Package telemetrytest is a collector on loopback, for tests: it takes OTLP by
// HTTP and tells what it got.
package telemetrytest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector keeps what it is sent.
type Collector struct {
	URL string // the endpoint to configure

	mu      sync.Mutex
	spans   []Span
	points  map[string]Point
	records []Record
	headers []http.Header
}

// Attributes are rendered as text.
type Attributes map[string]string

// Span is one of a trace. Ids are hexadecimal; Parent is empty for a root.
type Span struct {
	Name, Trace, ID, Parent string
	Kind                    string // as SERVER
	Failed                  bool
	Attributes, Resource    Attributes
	Links                   []string // traces
}

// Point is the last value of a metric with certain attributes: a sum, a gauge's
// value, or how often a histogram was recorded.
type Point struct {
	Metric     string
	Attributes Attributes
	Value      float64
}

// Record is a record of the log.
type Record struct {
	Message, Trace, Span string
	Attributes           Attributes
}

// Start starts a collector that lives until the test ends.
func Start(t testing.TB) *Collector {
	c := &Collector{points: map[string]Point{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", take(t, c, func(m *collectortraces.ExportTraceServiceRequest) { c.takeTraces(m) }))
	mux.HandleFunc("POST /v1/metrics", take(t, c, func(m *collectormetrics.ExportMetricsServiceRequest) { c.takeMetrics(m) }))
	mux.HandleFunc("POST /v1/logs", take(t, c, func(m *collectorlogs.ExportLogsServiceRequest) { c.takeLogs(m) }))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// Spans returns all spans so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Points returns the last values of all metrics.
func (c *Collector) Points() (all []Point) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.points {
		all = append(all, p)
	}
	return all
}

// Records returns all records of the log so far.
func (c *Collector) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Record(nil), c.records...)
}

// Headers returns those of all requests so far.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

// take decodes the body of a request into a message of type M.
func take[M any, P interface {
	*M
	proto.Message
}](t testing.TB, c *Collector, keep func(P)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		message := P(new(M))
		if err == nil {
			err = proto.Unmarshal(body, message)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("collector: %s of %q: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.headers = append(c.headers, r.Header)
		keep(message)
		w.Header().Set("Content-Type", "application/x-protobuf") // an empty answer says that all was taken
	}
}

func (c *Collector) takeTraces(m *collectortraces.ExportTraceServiceRequest) {
	for _, of := range m.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				span := Span{
					Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Kind:       s.Kind.String()[len("SPAN_KIND_"):],
					Failed:     s.Status.GetCode() == traces.Status_STATUS_CODE_ERROR,
					Attributes: textOf(s.Attributes), Resource: textOf(of.Resource.Attributes),
				}
				for _, link := range s.Links {
					span.Links = append(span.Links, hex.EncodeToString(link.TraceId))
				}
				c.spans = append(c.spans, span)
			}
		}
	}
}

func (c *Collector) takeMetrics(m *collectormetrics.ExportMetricsServiceRequest) {
	for _, of := range m.ResourceMetrics {
		for _, scope := range of.ScopeMetrics {
			for _, metric := range scope.Metrics {
				c.takeMetric(metric)
			}
		}
	}
}

func (c *Collector) takeMetric(m *metrics.Metric) {
	set := func(attributes []*common.KeyValue, value float64) {
		p := Point{m.Name, textOf(attributes), value}
		c.points[fmt.Sprint(p.Metric, p.Attributes)] = p
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		set(p.Attributes, float64(p.Count))
	}
	for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
		set(p.Attributes, float64(p.GetAsInt()))
	}
}

func (c *Collector) takeLogs(m *collectorlogs.ExportLogsServiceRequest) {
	for _, of := range m.ResourceLogs {
		for _, scope := range of.ScopeLogs {
			for _, r := range scope.LogRecords {
				c.records = append(c.records, Record{
					Message: r.Body.GetStringValue(), Trace: hex.EncodeToString(r.TraceId), Span: hex.EncodeToString(r.SpanId),
					Attributes: textOf(r.Attributes),
				})
			}
		}
	}
}

func textOf(all []*common.KeyValue) Attributes {
	text := Attributes{}
	for _, kv := range all {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			text[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			text[kv.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_DoubleValue:
			text[kv.Key] = fmt.Sprint(v.DoubleValue)
		case *common.AnyValue_BoolValue:
			text[kv.Key] = fmt.Sprint(v.BoolValue)
		default:
			text[kv.Key] = kv.Value.String()
		}
	}
	return text
}
