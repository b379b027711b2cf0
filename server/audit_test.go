package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// audited lists the audit records of a log as "tool: outcome", and looks that
// each names the caller and nothing of the call.
func audited(t *testing.T, log, principal string) (calls []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if record["msg"] != "tool call" {
			continue
		}
		who, _ := record["principal"].(map[string]any)
		if who["id"] != principal || who["kind"] != "user" || who["client"] != entratest.DefaultClientID {
			t.Errorf("who: %s", line)
		}
		names := slices.Sorted(maps.Keys(record))
		if want := []string{"build", "duration_ms", "env", "level", "msg", "outcome", "principal", "time", "tool"}; !slices.Equal(names, want) {
			t.Errorf("fields: %q", names)
		}
		calls = append(calls, record["tool"].(string)+": "+record["outcome"].(string))
	}
	return calls
}

// Every call of a tool leaves one record, whatever became of it.
func TestToolCallsAreAudited(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	seen := newReached()
	l := startLocal(t, newProbe(seen), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr())
	token := entra.Mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke"}})
	session := l.initialize(t, token, mcp.ProtocolVersion20251125)
	batches := l.initialize(t, token, mcp.ProtocolVersion20250326)
	principal := entra.Options().Tenant + "/u"
	post := func(session, body string) { l.do(t, request{token: token, session: session, body: body}) }

	want := []string{}
	expect := func(calls ...string) {
		t.Helper()
		want = append(want, calls...)
		var got []string
		eventually(t, strings.Join(calls, ", "), func() bool {
			got = audited(t, l.log.String(), principal)
			return len(got) >= len(want)
		})
		if !slices.Equal(got, want) {
			t.Fatalf("audited %q\nwant %q", got, want)
		}
	}
	post(session, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","arguments":{"secret":"argument"}}}`)
	expect("open: ok")
	post(session, toolCall("2", "fault"))
	expect("fault: tool error")
	post(session, toolCall("3", "panic"))
	expect("panic: error")
	post(batches, "["+toolCall("4", "open")+","+toolCall("5", "fault")+"]")
	expect("open: ok", "fault: tool error")
	l.do(t, stateless(token, "tools/call", "open", `"name":"open"`))
	expect("open: ok")
	l.do(t, stateless(token, "tools/call", "state", `"name":"state"`))
	expect("state: input required")
	l.do(t, stateless(token, "tools/call", "state", `"name":"state","requestState":"forged"`))
	expect("state: error")

	waiting := l.open(t.Context(), t, request{token: token, session: session, body: toolCall("6", "wait")})
	post(session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":6}}`)
	expect("wait: cancelled")
	_ = waiting.Body.Close()

	// In the stateless revision whoever leaves takes the request back.
	ctx, leave := context.WithCancel(t.Context())
	left := l.open(ctx, t, stateless(token, "tools/call", "wait", `"name":"wait"`))
	leave()
	expect("wait: cancelled")
	_ = left.Body.Close()

	// What is denied or unknown is no call of a tool.
	post(session, toolCall("7", "admin"))
	post(session, toolCall("8", "unknown"))
	post(session, toolCall("9", "open"))
	expect("open: ok")

	lost := l.open(t.Context(), t, request{token: token, session: session, body: toolCall("10", "wait")})
	ended, end := context.WithCancel(t.Context())
	end()
	l.service.mcp.Finish(ended)
	expect("wait: lost")
	_ = lost.Body.Close()
	if !strings.Contains(l.log.String(), `,"principal":"`+principal+`"}`) {
		t.Errorf("no request's record names the caller: %s", l.log)
	}
	if strings.Contains(l.log.String(), "argument") {
		t.Errorf("an argument is logged: %s", l.log)
	}
}
