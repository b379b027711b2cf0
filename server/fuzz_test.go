package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// target is a replica to throw things at, as a user who may not call "admin".
type target struct {
	*local
	seen     *reached
	token    string
	sessions []string // the one to use, by choice: none, the user's by revision, another's, unknown
}

func newTarget(f *testing.F) *target {
	entra := entratest.Start(f, entratest.Options{})
	user := func(id string) string {
		return entra.Mint(entratest.Token{User: id, Scopes: []string{"mcp.invoke"}, Lifetime: 24 * time.Hour})
	}
	surface := newProbe(newReached())
	surface.impatient = true
	t := &target{seen: surface.reached, token: user("u")}
	t.local = startLocal(f, surface, protected(entra), "REDIS_URL=redis://"+redistest.Embedded(f).Addr(),
		"LOG_LEVEL=error", "RATE_LIMIT=100000", "STREAM_LIMIT=100000")
	t.sessions = []string{
		"",
		t.initialize(f, t.token, mcp.ProtocolVersion20251125),
		t.initialize(f, t.token, mcp.ProtocolVersion20250326),
		t.initialize(f, user("other"), mcp.ProtocolVersion20251125),
		strings.Repeat("A", 26),
	}
	return t
}

// serve gives the answer to a request that its client takes back before long.
func (l *target) serve(t *testing.T, r *http.Request, patience time.Duration) *httptest.ResponseRecorder {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	defer time.AfterFunc(patience, leave).Stop()
	r.Host = "127.0.0.1"
	r.Header.Set("Authorization", "Bearer "+l.token)
	w := httptest.NewRecorder()
	started := time.Now()
	l.handler.ServeHTTP(w, r.WithContext(ctx))
	if took := time.Since(started); took > patience+10*time.Second {
		t.Errorf("answered after %v", took)
	}
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	return w
}

// FuzzPost looks for a body that crashes or hangs the JSON-RPC edge, is
// answered by anything but JSON-RPC under its own id, or reaches a tool that
// its sender may not call.
func FuzzPost(f *testing.F) {
	l := newTarget(f)
	modern := stateless("", "tools/call", "open", `"name":"open"`)
	for _, seed := range []struct {
		session byte
		version string
		method  string
		body    string
	}{
		{1, "", "", toolCall("1", "open")},
		{1, "2025-11-25", "", toolCall(`"x"`, "admin")},
		{2, "2025-03-26", "", "[" + toolCall("1", "open") + `,{"jsonrpc":"2.0","method":"notifications/initialized"}]`},
		{2, "", "", "[" + toolCall("1", "open") + "," + toolCall("2", "admin") + "]"},
		{1, "", "", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin"},"params":{"name":"open"}}`},
		{1, "", "", `{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}`},
		{1, "", "", `{"jsonrpc":"2.0","id":"q","result":{}}`},
		{1, "", "", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`},
		{3, "", "", toolCall("1", "open")},
		{4, "", "", toolCall("1", "open")},
		{0, "", "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"f","version":"1"}}}`},
		{0, modern.version, "tools/call", modern.body},
		{0, modern.version, "tools/call", stateless("", "tools/call", "open", `"name":"admin"`).body},
		{0, modern.version, "subscriptions/listen", stateless("", "subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`).body},
		{0, modern.version, "server/discover", stateless("", "server/discover", "", "").body},
		{0, "banana", "", toolCall("1", "open")},
		{1, "", "", `[]`}, {1, "", "", ``}, {1, "", "", `null`}, {1, "", "", `[[[[[[[[`}, {1, "", "", "\xff\xfe"}, {1, "", "", `{"id":{}}`},
	} {
		f.Add(seed.session, seed.version, seed.method, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, session byte, version, method string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/mcp", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		for name, value := range map[string]string{
			"Mcp-Session-Id": l.sessions[int(session)%len(l.sessions)], mcp.HeaderProtocolVersion: version, mcp.HeaderMethod: method, mcp.HeaderName: "open",
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := l.serve(t, r, 200*time.Millisecond)
		if l.seen.has("admin") {
			t.Error("the tool was reached")
		}
		l.seen.forget()
		var sent struct{ ID json.RawMessage }
		if json.Unmarshal(body, &sent) != nil {
			sent.ID = nil
		}
		switch contentType := w.Header().Get("Content-Type"); {
		case w.Body.Len() == 0:
		case contentType == "application/json":
			checkReply(t, w.Body.Bytes(), sent.ID)
		case contentType == "text/event-stream":
			for line := range strings.Lines(w.Body.String()) {
				if data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: "); ok && data != "" {
					checkReply(t, []byte(data), sent.ID)
				}
			}
		default:
			t.Errorf("%s: %s", contentType, w.Body)
		}
	})
}

// checkReply wants JSON-RPC, under the id that was sent or none, or an error as
// OAuth has it.
func checkReply(t *testing.T, text []byte, id json.RawMessage) {
	t.Helper()
	if len(text) > 0 && text[0] == '[' { // of a batch
		var replies []json.RawMessage
		if json.Unmarshal(text, &replies) != nil || len(replies) == 0 {
			t.Errorf("not a batch: %s", text)
		}
		return
	}
	var reply struct {
		Version string `json:"jsonrpc"`
		ID      json.RawMessage
		Method  string
		Result  json.RawMessage
		Error   json.RawMessage
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		t.Errorf("%v: %s", err, text)
		return
	}
	if reply.Version == "" {
		if string(reply.Error) != `"insufficient_scope"` {
			t.Errorf("no JSON-RPC: %s", text)
		}
		return
	}
	answers := (len(reply.Result) > 0) != (len(reply.Error) > 0)
	if reply.Version != "2.0" || answers == (reply.Method != "") {
		t.Errorf("not JSON-RPC 2.0: %s", text)
	}
	if answers && string(reply.ID) != "null" && !sameJSON(reply.ID, id) {
		t.Errorf("sent id %s, got %s", id, text)
	}
}

// sameJSON compares texts that differ in the escapes of a string at most.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}

// FuzzLastEventID looks for an id that crashes the server, or has it tell one
// session of another.
func FuzzLastEventID(f *testing.F) {
	l := newTarget(f)
	own, other := l.sessions[1], l.sessions[3]
	for _, seed := range []string{"out.0", "out.1", "out.99", ".1", "A.1", "out.-1", "out.01", "out.9223372036854775807", own + ".1", other + ".0", "{" + other + "}:out.0", "out\x00.1", "*.1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Mcp-Session-Id", own)
		r.Header.Set("Last-Event-ID", id)
		w := l.serve(t, r, 20*time.Millisecond)
		switch w.Code {
		case http.StatusOK:
			// Nothing has happened in the session, so there is nothing to tell but the place.
			for line := range strings.Lines(w.Body.String()) {
				if data, ok := strings.CutPrefix(line, "data: "); ok && strings.TrimSpace(data) != "" {
					t.Errorf("%q: %s", id, line)
				}
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusTooManyRequests:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%q: %s", id, w.Body)
			}
		default:
			t.Errorf("%q: %d %s", id, w.Code, w.Body)
		}
	})
}
