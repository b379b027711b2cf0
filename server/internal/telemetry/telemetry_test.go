package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

// Without a collector nothing is put around anything, and what is asked for
// costs no allocation.
func TestOffIsNothing(t *testing.T) {
	off, err := Open(Options{Headers: map[string]string{"key": "value"}, Share: 1})
	if off != nil || err != nil {
		t.Fatalf("got %v, %v", off, err)
	}
	handler := http.NewServeMux()
	if got := off.HTTP(func(*http.Request) string { return "" })(handler); got != http.Handler(handler) {
		t.Errorf("a request passes %T", got)
	}
	log := slog.NewJSONHandler(t.Output(), nil)
	if got := off.Logs(log); got != slog.Handler(log) {
		t.Errorf("a record passes %T", got)
	}
	var redis struct{ rueidis.Client }
	if got := off.Redis(&redis); got != rueidis.Client(&redis) {
		t.Errorf("a command passes %T", got)
	}
	off.Gauge("name", "description", func() int64 { panic("is not asked") })
	ctx := t.Context()
	if allocations := testing.AllocsPerRun(100, func() {
		inner, span := Start(ctx, "name")
		span.End()
		off.SessionEnded(inner, "", time.Time{})
	}); allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
	off.Close()
}

// server is a collector that misbehaves.
func server(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// Whatever the collector does, nothing waits for it but the end, and that not
// for long; and what is logged of it names no secret.
func TestCollectorMisbehaves(t *testing.T) {
	const secret = "the-secret-of-the-collector"
	closed := make(chan struct{})
	defer close(closed)
	for name, endpoint := range map[string]string{
		"away":   "http://127.0.0.1:1",
		"silent": server(t, func(http.ResponseWriter, *http.Request) { <-closed }),
		"refuses": server(t, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad key: "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		}),
		"quotes": server(t, func(w http.ResponseWriter, r *http.Request) {
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			http.Error(w, strings.Repeat(token, 1000), http.StatusUnauthorized)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o, err := Open(Options{
				Endpoint: endpoint, Headers: map[string]string{"Authorization": "Bearer " + secret}, Share: 1, Log: slog.New(slog.NewJSONHandler(&out, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			o.closeWithin = 200 * time.Millisecond
			log := slog.New(o.Logs(slog.DiscardHandler))
			handler := o.HTTP(func(*http.Request) string { return "/" })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				log.InfoContext(r.Context(), "record")
			}))
			for range 5000 { // more than the queues hold
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}
			started := time.Now()
			o.Close()
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("the end took %v", took)
			}
			if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), secret) || out.Len() > 1500 {
				t.Errorf("logged %s", &out)
			}
		})
	}
}

func TestReportsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := newReporter(slog.New(slog.NewTextHandler(&out, nil)), map[string]string{"a": "secret-a", "b": "Basic c2VjcmV0"})
		for i := range 10 {
			r.Handle(fmt.Errorf("error %d: secret-a c2VjcmV0 Basic", i))
		}
		time.Sleep(reportEvery)
		r.Handle(errors.New("one more"))
		r.Handle(nil)
		if got := out.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, "secret-a") || strings.Contains(got, "c2VjcmV0") ||
			!strings.Contains(got, "not_logged_before=9") {
			t.Errorf("logged %s", got)
		}
	})
}

// What a caller says of a trace is taken for its place only.
func TestRemote(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for _, c := range []struct {
		traceparent string
		share       float64
		valid       bool
		sampled     bool
	}{
		{"", 1, false, false},
		{"00-" + id + "-b7ad6b7169203331-01", 1, true, true},
		{"00-" + id + "-b7ad6b7169203331-00", 1, true, true},
		{"00-" + id + "-b7ad6b7169203331-01", 0, true, false},
		{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", 1, false, false},
		{"00-" + strings.ToUpper(id) + "-b7ad6b7169203331-01", 1, false, false},
		{strings.Repeat("0", 1<<16), 1, false, false},
	} {
		got := (&Telemetry{share: c.share}).remote(c.traceparent)
		if got.IsValid() != c.valid || got.IsValid() && (got.IsSampled() != c.sampled || got.TraceID().String() != id || !got.IsRemote()) {
			t.Errorf("%.60s with a share of %v: %+v", c.traceparent, c.share, got)
		}
	}
}

func TestFailuresOfRedis(t *testing.T) {
	for want, err := range map[string]error{
		"": nil, "canceled": fmt.Errorf("x: %w", context.Canceled), "timeout": context.DeadlineExceeded, "unavailable": errors.New("connection refused"),
	} {
		if got := failureOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

// The stages of a request that ends with its client still find their trace.
func TestStartAfterTheParent(t *testing.T) {
	o, err := Open(Options{Endpoint: "http://127.0.0.1:1", Share: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	o.closeWithin = time.Millisecond
	defer o.Close()
	ctx, parent := o.tracer.Start(t.Context(), "parent")
	parent.End()
	_, child := Start(ctx, "child")
	if !child.IsRecording() || child.SpanContext().TraceID() != parent.SpanContext().TraceID() {
		t.Error("the child is of no trace")
	}
}
