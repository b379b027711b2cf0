package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// The rate is a principal's over all replicas and tokens; others do not feel it.
func TestRateLimit(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	redis := "REDIS_URL=redis://" + redistest.Embedded(t).Addr()
	replicas := []*local{
		startLocal(t, newProbe(newReached()), protected(entra), redis, "RATE_LIMIT=1"),
		startLocal(t, newProbe(newReached()), protected(entra), redis, "RATE_LIMIT=1"),
	}
	ping := func(i int, user string) response {
		token := entra.Mint(entratest.Token{User: user, Scopes: []string{"mcp.invoke"}})
		return replicas[i%2].do(t, stateless(token, "server/discover", "", ""))
	}
	let := 0
	var refused response
	for i := range 100 {
		if refused = ping(i, "first"); refused.status == http.StatusTooManyRequests {
			break
		}
		let++
	}
	// A burst of five, and what drips in meanwhile on a slow machine.
	if let < 5 || let > 60 {
		t.Errorf("%d requests were let through", let)
	}
	seconds, err := strconv.Atoi(refused.header.Get("Retry-After"))
	if err != nil || seconds < 1 || refused.body != `{"error":"slow_down","error_description":"more than 1 requests a second"}` {
		t.Errorf("%v %v", refused, refused.header)
	}
	if got := ping(0, "second"); got.status != http.StatusOK {
		t.Errorf("another principal: %v", got)
	}
	if got := replicas[0].do(t, request{}); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", got)
	}
}

// Calls and streams of a principal are bounded. What ends them is not, or a
// client at its limit could not get out of it.
func TestStreamLimit(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	seen := newReached()
	l := startLocal(t, newProbe(seen), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr(), "STREAM_LIMIT=2")
	token := entra.Mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke"}})
	session := l.initialize(t, token, mcp.ProtocolVersion20251125)
	waiting := request{token: token, session: session, body: toolCall("1", "wait")}
	listening := request{method: "GET", token: token, session: session}

	call := l.open(t.Context(), t, waiting)
	stream := l.open(t.Context(), t, listening)
	if call.StatusCode != http.StatusOK || stream.StatusCode != http.StatusOK {
		t.Fatalf("%s, %s", call.Status, stream.Status)
	}
	for name, r := range map[string]request{
		"call":           {token: token, session: session, body: toolCall("2", "open")},
		"GET":            listening,
		"stateless call": stateless(token, "tools/call", "open", `"name":"open"`),
		"listen":         stateless(token, "subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`),
	} {
		got := l.do(t, r)
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "Too many calls and streams are open") {
			t.Errorf("%s: %v", name, got)
		}
	}
	other := entra.Mint(entratest.Token{User: "other", Scopes: []string{"mcp.invoke"}})
	if got := l.do(t, stateless(other, "tools/call", "open", `"name":"open"`)); got.status != http.StatusOK {
		t.Errorf("another principal: %v", got)
	}

	if got := l.do(t, request{token: token, session: session, body: `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`}); got.status != http.StatusAccepted {
		t.Errorf("cancel: %v", got)
	}
	_, _ = call.Body.Close(), stream.Body.Close()
	eventually(t, "what has ended is not counted", func() bool {
		return l.do(t, request{token: token, session: session, body: toolCall("3", "open")}).status == http.StatusOK
	})
}

func TestLandingPage(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	l := startLocal(t, newProbe(newReached()), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr())
	got := l.do(t, request{method: "GET", path: "/"})
	if got.status != http.StatusOK || !strings.Contains(got.body, "http://127.0.0.1:8000/mcp") || !strings.Contains(got.header.Get("Content-Security-Policy"), "script-src 'sha256-") {
		t.Errorf("%v %v", got, got.header)
	}
	if got := l.do(t, request{method: "GET", path: "/other"}); got.status != http.StatusNotFound {
		t.Errorf("another path: %v", got)
	}
}
