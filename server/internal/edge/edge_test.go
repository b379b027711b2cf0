package edge

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })

// ask sends a request made by edit through h.
func ask(h http.Handler, method, target string, edit func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantError checks status and shape of an error answer.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("the body is no JSON: %q", w.Body)
	}
	if w.Code != status || body.Error != code || body.Description == "" ||
		w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %s %v, want %d %s", w.Code, w.Body, w.Header(), status, code)
	}
}

func TestRetryAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2"} {
		w := httptest.NewRecorder()
		WriteUnavailable(w, d, "away")
		wantError(t, w, 503, "temporarily_unavailable")
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %s, want %s", d, got, want)
		}
	}
	w := httptest.NewRecorder()
	WriteTooManyRequests(w, 3*time.Second, "slow")
	wantError(t, w, 429, "slow_down")
}

func TestAllowHosts(t *testing.T) {
	names := []string{"mcp.example.com", "localhost", "127.0.0.1", "::1"}
	h := AllowHosts(names, "/livez")(ok)
	for host, want := range map[string]int{
		"mcp.example.com":              200,
		"mcp.example.com:443":          200,
		"MCP.example.COM":              200,
		"x.mcp.example.com":            403,
		"mcp.example.com.evil.example": 403,
		"localhost:8443":               200,
		"127.0.0.1:8000":               200,
		"[::1]:8000":                   200,
		"[::1]":                        200,
		"10.0.0.1:8000":                403,
		"localhost.evil.example:8000":  403,
		"":                             403,
	} {
		w := ask(h, "POST", "/mcp", func(r *http.Request) { r.Host = host })
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", host, w.Code, want)
		}
		if want == 403 {
			wantError(t, w, 403, "invalid_host")
		}
	}
	if w := ask(h, "GET", "/livez", func(r *http.Request) { r.Host = "10.0.0.1:8000" }); w.Code != 200 {
		t.Errorf("a probe by address got %d", w.Code)
	}
	if w := ask(AllowHosts(nil)(ok), "GET", "/mcp", nil); w.Code != 403 {
		t.Errorf("without names, any host got %d", w.Code)
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "127.0.0.1:8000": true, "127.9.9.9": true, "[::1]:1": true, "::1": true, "[::ffff:127.0.0.1]:1": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:1": false, "10.0.0.1": false, "localhost.example": false, "": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

func corsChain(t *testing.T, allowed ...string) http.Handler {
	t.Helper()
	cors, err := CORS(allowed)
	if err != nil {
		t.Fatal(err)
	}
	denied := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		WriteError(w, 401, "invalid_token", "no")
	})
	return cors(CheckOrigin("https://mcp.example.com")(denied))
}

func TestOrigin(t *testing.T) {
	const allowed, pattern = "https://app.example", "https://*.tenant.example"
	for _, tt := range []struct {
		host, origin string
		passes       bool
		cors         string // Access-Control-Allow-Origin
	}{
		{"mcp.example.com", "", true, ""},
		{"mcp.example.com", "https://mcp.example.com", true, ""},
		{"app--r1.internal", "https://mcp.example.com", true, ""},
		{"app--r1.internal", "https://app--r1.internal", true, ""},
		{"mcp.example.com", "http://mcp.example.com", false, ""},
		{"mcp.example.com", "https://mcp.example.com.evil.example", false, ""},
		{"mcp.example.com", "https://evil.example", false, ""},
		{"mcp.example.com", "null", false, ""},
		{"mcp.example.com", "garbage", false, ""},
		{"mcp.example.com", "https://app.example", true, "https://app.example"},
		{"mcp.example.com", "https://app.example:444", false, ""},
		{"mcp.example.com", "https://a.tenant.example", true, "https://a.tenant.example"},
		{"mcp.example.com", "https://tenant.example", false, ""},
		{"localhost:8000", "http://localhost:8000", true, ""},
		{"localhost:8000", "http://localhost:3000", false, ""},
	} {
		h := corsChain(t, allowed, pattern)
		for _, method := range []string{"POST", "GET", "DELETE"} {
			w := ask(h, method, "/mcp", func(r *http.Request) {
				r.Host = tt.host
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
			})
			if tt.passes {
				wantError(t, w, 401, "invalid_token")
			} else {
				wantError(t, w, 403, "invalid_origin")
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.cors {
				t.Errorf("%s from %q: allow origin %q, want %q", method, tt.origin, got, tt.cors)
			}
			if exposed := w.Header().Get("Access-Control-Expose-Headers"); tt.cors != "" &&
				(!strings.Contains(exposed, "www-authenticate") || !strings.Contains(exposed, "mcp-session-id")) {
				t.Errorf("%s from %q: exposes %q", method, tt.origin, exposed)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies are let through")
			}
		}
	}

	two := ask(corsChain(t), "POST", "/mcp", func(r *http.Request) {
		r.Host, r.Header["Origin"] = "mcp.example.com", []string{"https://mcp.example.com", "https://evil.example"}
	})
	wantError(t, two, 403, "invalid_origin")
	star := ask(corsChain(t, "*"), "POST", "/mcp", func(r *http.Request) { r.Header.Set("Origin", "https://any.example") })
	wantError(t, star, 401, "invalid_token")
}

func TestPreflight(t *testing.T) {
	for _, tt := range []struct {
		origin, method, headers string
		want                    bool
	}{
		{"https://app.example", "POST", "authorization,content-type,mcp-protocol-version,mcp-session-id", true},
		{"https://app.example", "POST", "mcp-method,mcp-name,mcp-param-anything", true},
		{"https://app.example", "GET", "last-event-id", true},
		{"https://app.example", "DELETE", "authorization,mcp-session-id", true},
		{"https://app.example", "PUT", "", false},
		{"https://evil.example", "POST", "authorization", false},
	} {
		w := ask(corsChain(t, "https://app.example"), "OPTIONS", "/mcp", func(r *http.Request) {
			r.Header.Set("Origin", tt.origin)
			r.Header.Set("Access-Control-Request-Method", tt.method)
			if tt.headers != "" {
				r.Header.Set("Access-Control-Request-Headers", tt.headers)
			}
		})
		got := w.Code == 204 && w.Header().Get("Access-Control-Allow-Origin") == tt.origin
		if got != tt.want {
			t.Errorf("%+v: got %d %v", tt, w.Code, w.Header())
		}
		if w.Code == 401 {
			t.Errorf("%+v: a preflight met authentication", tt)
		}
	}
}

func TestCORSRejects(t *testing.T) {
	for _, origin := range []string{"app.example", "https://app.example/", "null", "https://*", "https://*.com"} {
		if _, err := CORS([]string{origin}); err == nil || !strings.HasPrefix(err.Error(), "CORS_ALLOW_ORIGINS: ") {
			t.Errorf("%s: got %v", origin, err)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	// A handler that adds to a header must not change the next answer's.
	h := SecurityHeaders(true)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Content-Security-Policy", "sandbox")
	}))
	for range 2 {
		w := ask(h, "GET", "/", nil)
		if got := w.Header().Values("Content-Security-Policy"); len(got) != 2 || !strings.Contains(got[0], "frame-ancestors 'none'") {
			t.Errorf("CSP %q", got)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("got %v", w.Header())
		}
	}
	if got := ask(SecurityHeaders(false)(ok), "GET", "/", nil).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS %q without being asked", got)
	}
}

func TestLimitBody(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			WriteBodyError(w, err)
		}
	})
	for name, tt := range map[string]struct {
		size, announced int64
		want            int
	}{
		"none":                {0, 0, 200},
		"just fits":           {MaxBody, MaxBody, 200},
		"announced too large": {1, MaxBody + 1, 413},
		"chunked, fits":       {MaxBody, -1, 200},
		"chunked, too large":  {MaxBody + 1, -1, 413},
	} {
		r := httptest.NewRequest("POST", "/mcp", io.LimitReader(zeros{}, tt.size))
		r.ContentLength = tt.announced
		w := httptest.NewRecorder()
		LimitBody(read).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: got %d, want %d", name, w.Code, tt.want)
		}
		if tt.want == 413 {
			wantError(t, w, 413, "invalid_request")
		}
	}
	w := httptest.NewRecorder()
	WriteBodyError(w, io.ErrUnexpectedEOF)
	wantError(t, w, 400, "invalid_request")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRecover(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	chain := func(h http.HandlerFunc) http.Handler { return AccessLog(logger)(Recover(logger)(h)) }

	w := ask(chain(func(http.ResponseWriter, *http.Request) { panic("secret cause") }), "GET", "/x", nil)
	wantError(t, w, 500, "server_error")
	id := w.Header().Get("X-Request-Id")
	if strings.Contains(w.Body.String(), "secret") || id == "" || !strings.Contains(w.Body.String(), id) {
		t.Errorf("body %s, id %s", w.Body, id)
	}
	for _, want := range []string{`"panic":"secret cause"`, "TestRecover", `"status":500`, id} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, &log)
		}
	}

	// After the answer has begun, only hanging up tells the truth.
	for name, h := range map[string]http.HandlerFunc{
		"halfway":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half"); panic("late") },
		"on demand": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		log.Reset()
		server := httptest.NewUnstartedServer(chain(h))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.Start()
		res, err := http.Get(server.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client saw a whole answer", name)
		}
		server.Close()
		if got := strings.Contains(log.String(), `"msg":"panic"`); got != (name == "halfway") {
			t.Errorf("%s: log %s", name, &log)
		}
	}
}

func TestWriteErrorEscapes(t *testing.T) {
	w := httptest.NewRecorder()
	WriteError(w, 400, "invalid_request", `a "quoted" <b>`)
	wantError(t, w, 400, "invalid_request")
	if strings.Contains(w.Body.String(), "<b>") {
		t.Errorf("got %s", w.Body)
	}
}
