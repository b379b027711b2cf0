package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

func toolCall(id, tool string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// A tool that asks for more than the server does: who has not got it neither
// sees the tool nor reaches it, and is told what is needed.
func TestToolRequirement(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	seen := newReached()
	l := startLocal(t, newProbe(seen), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr())
	user := entra.Mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke"}})
	admin := entra.Mint(entratest.Token{Roles: []string{adminRole}})

	sessions := map[string]string{}
	for _, token := range []string{user, admin} {
		for _, version := range []string{mcp.ProtocolVersion20250326, mcp.ProtocolVersion20251125} {
			sessions[token+version] = l.initialize(t, token, version)
		}
	}
	in := func(version string, body func(token string) string) func(token string) request {
		return func(token string) request {
			return request{token: token, session: sessions[token+version], version: version, body: body(token)}
		}
	}
	always := func(body string) func(string) string { return func(string) string { return body } }
	for _, test := range []struct {
		name string
		make func(token string) request
	}{
		{"2025-11-25", in(mcp.ProtocolVersion20251125, always(toolCall("1", "admin")))},
		{"2025-03-26", in(mcp.ProtocolVersion20250326, always(toolCall("1", "admin")))},
		{"2026-07-28", func(token string) request { return stateless(token, "tools/call", "admin", `"name":"admin"`) }},
		{"last in a batch", in(mcp.ProtocolVersion20250326, always("["+toolCall("1", "wait")+","+toolCall("2", "open")+","+toolCall("3", "admin")+"]"))},
		{"with arguments that do not fit", in(mcp.ProtocolVersion20251125, always(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin","arguments":7}}`))},
	} {
		r := test.make(user)
		got := l.do(t, r)
		const description = "The token is valid, but this needs the app role Mcp.Admin, or the scope mcp.admin."
		challenge := `Bearer error="insufficient_scope", error_description="` + description + `", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp", scope="` +
			entra.Options().ServerAppIDURI + `/mcp.admin"`
		if got.status != http.StatusForbidden || got.header.Get("WWW-Authenticate") != challenge || got.header.Get("Content-Type") != "application/json" ||
			got.body != `{"error":"insufficient_scope","error_description":"`+description+`"}`+"\n" {
			t.Errorf("%s: %v\n%v", test.name, got, got.header)
		}
		for _, tool := range []string{"admin", "open", "wait"} {
			if seen.has(tool) {
				t.Errorf("%s: %s ran", test.name, tool)
			}
		}
		if test.name == "last in a batch" {
			continue // "wait" would
		}
		if got := l.do(t, test.make(admin)); got.status != http.StatusOK || !strings.Contains(got.body, "result of admin") || !seen.has("admin") {
			t.Errorf("%s, of an administrator: %v", test.name, got)
		}
	}

	for token, want := range map[string]bool{user: false, admin: true} {
		for _, r := range []request{
			in(mcp.ProtocolVersion20251125, always(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))(token),
			stateless(token, "tools/list", "", ""),
		} {
			got := l.do(t, r)
			if !strings.Contains(got.body, `"open"`) || strings.Contains(got.body, `"admin"`) != want {
				t.Errorf("tools/list, administrator %v: %v", want, got)
			}
		}
	}
	if !strings.Contains(l.log.String(), `"msg":"denied","status":403`) && !strings.Contains(l.log.String(), `"status":403,"error":"insufficient_scope"`) {
		t.Errorf("no audit record: %s", l.log)
	}
}

// Messages that can be read in two ways must not be authorized in one and run
// in the other.
func TestToolRequirementIsNotEvaded(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	seen := newReached()
	l := startLocal(t, newProbe(seen), protected(entra), "REDIS_URL=redis://"+redistest.Embedded(t).Addr())
	user := entra.Mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke"}})
	session := l.initialize(t, user, mcp.ProtocolVersion20250326)
	const head = `{"jsonrpc":"2.0","id":1,"method":"tools/call",`
	for _, body := range []string{
		head + `"params":{"name":"admin"},"params":{"name":"open"}}`,
		head + `"params":{"name":"open"},"params":{"name":"admin"}}`,
		head + `"params":{"name":"admin"},"params":{}}`,
		head + `"params":{"name":"admin"},"params":null}`,
		head + `"params":{"name":"open","name":"admin"}}`,
		head + `"params":{"name":"admin","name":"open"}}`,
		head + `"params":{"name":"open","NAME":"admin"}}`,
		head + `"params":{"Name":"admin","name":"open"}}`,
		head + `"params":{"name":"open"},"Params":{"name":"admin"}}`,
		head + `"PARAMS":{"name":"admin"},"params":{"name":"open"}}`,
		head + `"params":{"n\u0061me":"adm\u0069n"}}`,
		head + `"params":{"ſame":"x","name":"admin"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"admin"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"ping","params":{"name":"admin"}}`,
		`{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","method":null,"params":{"name":"admin"}}`,
		`{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"admin"}}`,
		`{"jsonrpc":"2.0","id":null,"ID":1,"method":"tools/call","params":{"name":"admin"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"admin"}}`,
	} {
		for _, sent := range []string{body, "[" + body + "]"} {
			got := l.do(t, request{token: user, session: session, body: sent})
			if seen.has("admin") || strings.Contains(got.body, "result of admin") {
				t.Errorf("%s reached the tool: %v", sent, got)
			}
			if got.status >= 500 || len(got.body) > 0 && !strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") && !json.Valid([]byte(got.body)) {
				t.Errorf("%s: %v", sent, got)
			}
			seen.has("open")
		}
	}
}
