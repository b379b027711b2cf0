package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines collects log records from any goroutine.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// next waits for the next record.
func (l *lines) next(t *testing.T) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		line, err := l.buf.ReadBytes('\n')
		l.mu.Unlock()
		if err == nil {
			var record map[string]any
			if err := json.Unmarshal(line, &record); err != nil {
				t.Fatal(err)
			}
			return record
		}
		if time.Now().After(deadline) {
			t.Fatal("no log record came")
		}
	}
}

func TestAccessLog(t *testing.T) {
	var out lines
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, tt := range []struct {
		name    string
		target  string
		context context.Context
		handler http.HandlerFunc
		want    map[string]any
	}{
		{"plain", "/mcp?access_token=secret", t.Context(), func(w http.ResponseWriter, _ *http.Request) {
			Annotate(w, slog.String("principal", "p1"))
			w.WriteHeader(202)
			w.WriteHeader(500) // too late: not what the client got
			_, _ = io.WriteString(w, "12345")
		}, map[string]any{"level": "INFO", "method": "POST", "path": "/mcp", "status": 202.0, "bytes": 5.0, "principal": "p1"}},
		{"no status", "/mcp", t.Context(), func(http.ResponseWriter, *http.Request) {}, map[string]any{"status": 200.0}},
		{"implied status", "/mcp", t.Context(), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") },
			map[string]any{"status": 200.0}},
		{"left before the answer", "/mcp", left, func(http.ResponseWriter, *http.Request) {}, map[string]any{"status": 499.0}},
		{"left in a stream", "/mcp", left, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") },
			map[string]any{"status": 200.0, "client_left": true}},
		{"early hints", "/mcp", t.Context(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) },
			map[string]any{"status": 404.0}},
		{"probe", "/readyz", t.Context(), ok, map[string]any{"level": "DEBUG"}},
		{"long path", "/" + strings.Repeat("x", 5000), t.Context(), ok, map[string]any{"path": "/" + strings.Repeat("x", 127) + "…"}},
	} {
		h := AccessLog(logger, "/readyz")(tt.handler)
		w := ask(h, "POST", tt.target, func(r *http.Request) {
			*r = *r.WithContext(tt.context)
			r.Header.Set("Authorization", "Bearer secret")
		})
		record := out.next(t)
		for key, want := range tt.want {
			if record[key] != want {
				t.Errorf("%s: %s is %v, want %v", tt.name, key, record[key], want)
			}
		}
		if id := record["request_id"]; id == "" || id != w.Header().Get("X-Request-Id") {
			t.Errorf("%s: request id %v, answered %q", tt.name, id, w.Header().Get("X-Request-Id"))
		}
		if text, _ := json.Marshal(record); bytes.Contains(text, []byte("secret")) {
			t.Errorf("%s: the log shows a secret: %s", tt.name, text)
		}
	}
}

func TestRequestID(t *testing.T) {
	h := AccessLog(slog.New(slog.DiscardHandler))(ok)
	seen := map[string]bool{}
	for given, kept := range map[string]bool{
		"0f8fad5b-d9cb-469f-a165-70867728950e": true,
		"":                                     false,
		"short":                                false,
		"with space in it":                     false,
		`quote"quote"quote`:                    false,
		strings.Repeat("a", 65):                false,
	} {
		id := ask(h, "GET", "/", func(r *http.Request) { r.Header.Set("X-Request-Id", given) }).Header().Get("X-Request-Id")
		if (id == given) != kept || seen[id] {
			t.Errorf("given %q: got %q", given, id)
		}
		seen[id] = true
	}
	if RequestID(httptest.NewRecorder()) != "" {
		t.Error("an id without a record")
	}
}

// TestStream runs a stream and a slow body through the real server and the
// whole chain: flushes reach the client at once, the body's deadline is lifted
// after the body, and a client that leaves is noticed.
func TestStream(t *testing.T) {
	var out lines
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	ended := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Errorf("body: %v", err)
		}
		control := http.NewResponseController(w)
		if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("deadline: %v", err)
		}
		_, _ = io.WriteString(w, "event\n")
		if flusher, ok := w.(http.Flusher); !ok {
			t.Error("the writer is no http.Flusher")
		} else {
			flusher.Flush()
		}
		<-r.Context().Done()
	})
	cors, err := CORS([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	chain := AccessLog(logger)(Recover(logger)(SecurityHeaders(true)(AllowHosts([]string{"127.0.0.1"})(cors(CheckOrigin("")(LimitBody(handler)))))))
	server := NewServer(t.Context(), chain, logger)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	res, err := http.Post("http://"+listener.Addr().String()+"/mcp", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line != "event\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	_ = res.Body.Close() // the client leaves
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the handler was not told that the client left")
	}
	if record := out.next(t); record["status"] != 200.0 || record["client_left"] != true || record["bytes"] != 6.0 {
		t.Errorf("got %v", record)
	}
}

// TestBodyDeadline shows that a body's deadline ends with the body, on a
// connection that tells.
func TestBodyDeadline(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader("{}"))
	LimitBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(w.set) != 1 || w.set[0].IsZero() {
			t.Errorf("before the body: %v", w.set)
		}
		_, _ = io.ReadAll(r.Body)
	})).ServeHTTP(w, r)
	if len(w.set) != 2 || !w.set[1].IsZero() {
		t.Errorf("after the body: %v", w.set)
	}
}

type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.set = append(d.set, t); return nil }

// TestChainAllocations keeps the chain's cost on the hot path from creeping up.
func TestChainAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	cors, err := CORS([]string{"https://app.example"})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	chain := AccessLog(logger)(Recover(logger)(SecurityHeaders(true)(AllowHosts([]string{"example.com"})(cors(CheckOrigin("https://example.com")(LimitBody(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))))))
	r := httptest.NewRequest("POST", "/mcp", nil)
	header := http.Header{}
	w := &discard{header}
	got := testing.AllocsPerRun(100, func() { clear(header); chain.ServeHTTP(w, r) })
	// The record, its defer, the id and its header, the attributes.
	if got > 8 {
		t.Errorf("%v allocations per request, want at most 8", got)
	}
	t.Logf("%v allocations per request", got)
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
