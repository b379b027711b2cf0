package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/edge"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// The order of what stands before /mcp, seen from outside: each row is refused
// by one and would have been let through, or answered otherwise, by the next.
func TestWayOfARequest(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	l := startLocal(t, newProbe(newReached()), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr(),
		"CORS_ALLOW_ORIGINS=https://app.example.com")
	token := entra.Mint(entratest.Token{})
	const (
		app      = "https://app.example.com"
		stranger = "https://evil.example.com"
	)
	headers := func(pairs ...string) map[string]string {
		all := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
	modern := stateless(token, "tools/call", "open", `"name":"open"`)
	modern.header["Origin"] = stranger
	for _, test := range []struct {
		name   string
		r      request
		status int
		header map[string]string // what must be in the answer
		body   string
	}{
		{"probe by any host", request{method: "GET", path: "/livez", header: headers("Host", "10.0.0.1:8000")}, 200, nil, ""},
		{"another host", request{token: token, header: headers("Host", "evil.example.com")}, 403, nil, "invalid_host"},
		{"another host's preflight", request{method: "OPTIONS", header: headers("Host", "evil.example.com", "Origin", app, "Access-Control-Request-Method", "POST")}, 403, nil, "invalid_host"},
		{"another host's page", request{method: "GET", path: "/", header: headers("Host", "evil.example.com")}, 403, nil, "invalid_host"},
		{"foreign origin", request{token: token, body: toolCall("1", "open"), header: headers("Origin", stranger)}, 403, nil, "invalid_origin"},
		{"foreign origin, no token", request{header: headers("Origin", stranger)}, 403, nil, "invalid_origin"},
		{"foreign origin, 2026-07-28", modern, 403, nil, "invalid_origin"},
		{"foreign origin, 2024-11-05", request{method: "GET", token: token, version: mcp.ProtocolVersion20241105, header: headers("Origin", stranger)}, 403, nil, "invalid_origin"},
		{"origin null", request{token: token, header: headers("Origin", "null")}, 403, nil, "invalid_origin"},
		{"allowed origin, no token", request{header: headers("Origin", app)}, 401,
			headers("Access-Control-Allow-Origin", app, "Access-Control-Expose-Headers", "www-authenticate", "WWW-Authenticate", "Bearer resource_metadata="), "unauthorized"},
		{"preflight", request{method: "OPTIONS", header: headers("Origin", app, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")}, 204,
			headers("Access-Control-Allow-Origin", app, "Access-Control-Allow-Headers", "authorization"), ""},
		{"no token", request{}, 401, headers("WWW-Authenticate", "Bearer resource_metadata="), "unauthorized"},
		{"no token, wrong method", request{method: "PUT"}, 401, nil, "unauthorized"},
		{"wrong method", request{method: "PUT", token: token}, 405, headers("Allow", "POST"), "takes POST, GET and DELETE"},
		{"no token to end a session", request{method: "DELETE", session: "x"}, 401, nil, "unauthorized"},
		{"no token to listen", request{method: "GET", session: "x"}, 401, nil, "unauthorized"},
		{"another path", request{token: token, path: "/mcp/x"}, 404, nil, ""},
		{"metadata", request{method: "GET", path: "/.well-known/oauth-protected-resource/mcp"}, 200, nil, `"resource":"http://127.0.0.1:8000/mcp"`},
		{"announced too large", request{token: token, body: strings.Repeat(" ", edge.MaxBody+1)}, 413, nil, "larger than"},
		{"as large as can be", request{token: token, body: strings.Repeat(" ", edge.MaxBody)}, 400, nil, "not a JSON-RPC"},
	} {
		got := l.do(t, test.r)
		if got.status != test.status || !strings.Contains(got.body, test.body) {
			t.Errorf("%s: %d %.300s", test.name, got.status, got.body)
		}
		for name, want := range test.header {
			if !strings.Contains(strings.ToLower(strings.Join(got.header.Values(name), ",")), strings.ToLower(want)) {
				t.Errorf("%s: %s is %q", test.name, name, got.header.Values(name))
			}
		}
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "X-Request-Id"} {
			if got.header.Get(name) == "" {
				t.Errorf("%s: without %s", test.name, name)
			}
		}
		if got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: lets credentials through", test.name)
		}
	}

	// A body whose size nobody announced is cut where it gets too large.
	sent, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+"/mcp", io.MultiReader(bytes.NewReader(make([]byte, edge.MaxBody)), strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header.Set("Authorization", "Bearer "+token)
	sent.Header.Set("Content-Type", "application/json")
	sent.Header.Set("Accept", "application/json, text/event-stream")
	got, err := http.DefaultClient.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	if got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large without notice: %s", got.Status)
	}
}
