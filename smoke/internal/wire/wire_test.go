package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// TestNoProxy: on loopback no request would show it, because Go never uses a
// proxy there.
func TestNoProxy(t *testing.T) {
	if wire.NewTransport(nil).Proxy != nil {
		t.Error("the transport uses proxies")
	}
}

func TestBearer(t *testing.T) {
	got := map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got[r.URL.Path] = r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/oauth":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_token","error_description":"not\n accepted"}`))
		case "/rpc":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such thing"}}`))
		case "/long":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(strings.Repeat("long ", 10_000)))
		}
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")

	for _, tt := range []struct {
		path, host  string
		status      int
		description string
		sent        string
	}{
		{"/ok", host, 0, "", "Bearer secret-token"},
		{"/ok", "another.host", 0, "", ""},
		{"/elsewhere", host, 302, "", "Bearer secret-token"},
		{"/oauth", host, 401, "not accepted", "Bearer secret-token"},
		{"/rpc", host, 400, "no such thing", "Bearer secret-token"},
		{"/long", host, 500, "long long", "Bearer secret-token"},
	} {
		clear(got)
		_, err := wire.Get(t.Context(), &wire.Bearer{Host: tt.host, Token: "secret-token", Next: http.DefaultTransport}, s.URL+tt.path)
		var refusal *wire.Refusal
		if tt.status == 0 {
			if err != nil {
				t.Errorf("%s: %v", tt.path, err)
			}
		} else if !errors.As(err, &refusal) || refusal.Status != tt.status || !strings.Contains(refusal.Description, tt.description) || len(refusal.Description) > 400 {
			t.Errorf("%s: %v, want %d and %q", tt.path, err, tt.status, tt.description)
		}
		if got[tt.path] != tt.sent || len(got) != 1 {
			t.Errorf("%s to %s: sent %q, want %q there and nothing elsewhere", tt.path, tt.host, got, tt.sent)
		}
	}
}

func TestRefusalKeepsRetryAfter(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	_, err := wire.Get(t.Context(), &wire.Bearer{Next: http.DefaultTransport}, s.URL+"/x")
	var refusal *wire.Refusal
	if !errors.As(err, &refusal) || refusal.RetryAfter != "9" {
		t.Errorf("%+v", refusal)
	}
	if got := refusal.Error(); got != "GET /x answered 503 Service Unavailable" {
		t.Error(got)
	}
}
