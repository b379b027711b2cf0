package check_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/check"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/standin"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// world is a server, its Entra, and settings that are right for both.
type world struct {
	server *standin.Server
	entra  *standin.Entra
	env    map[string]string
	suite  check.Suite
}

func newWorld(t *testing.T) *world {
	entra := standin.NewEntra(t)
	server := standin.NewServer(t, entra)
	return &world{server: server, entra: entra, env: map[string]string{
		"PRYNAI_MCP_URL": server.URL, "TLS_CA": server.CA, "ENTRA_AUTHORITY": entra.URL,
		"ENTRA_TENANT_ID": standin.TenantID, "ENTRA_CLIENT_ID": standin.ClientID,
		"ENTRA_CLIENT_SECRET": standin.ClientSecret, "SERVER_APP_ID": standin.ServerAppID,
	}}
}

func (w *world) run(ctx context.Context, t *testing.T) (results []check.Result, lines []string) {
	t.Helper()
	s, err := settings.Parse(func(name string) string { return w.env[name] }, settings.Need{Server: true, Token: true})
	if err != nil {
		t.Fatal(err)
	}
	tr := wire.NewTransport(s.Roots)
	t.Cleanup(tr.CloseIdleConnections)
	w.suite.Settings, w.suite.Transport = s, tr
	w.suite.Announce = func(line string) { lines = append(lines, line) }
	w.suite.Prove(ctx, func(r check.Result) { results = append(results, r) })
	return results, lines
}

func TestAllHolds(t *testing.T) {
	w := newWorld(t)
	w.suite.ExpectBuild = standin.Build
	results, lines := w.run(t.Context(), t)
	for _, r := range results {
		if r.Status != check.OK {
			t.Errorf("%s: %s %s %+v", r.Name, r.Status, r.Detail, r.Failure)
		}
	}
	if !check.Held(results) || w.suite.Build() != standin.Build {
		t.Errorf("held = %t, build = %q", check.Held(results), w.suite.Build())
	}
	want := []string{"TOOLS: [add, bump_counter, echo, long_task, summarize_via_client_llm]", "ADD RESULT: 15", "STATUS: ok"}
	if !slices.Equal(lines, want) {
		t.Errorf("announced %q, want %q", lines, want)
	}
}

func TestWithoutAuth(t *testing.T) {
	w := newWorld(t)
	open := standin.NewServer(t, nil)
	w.env = map[string]string{"PRYNAI_MCP_URL": open.URL, "TLS_CA": open.CA, "AUTH_REQUIRED": "false"}
	if results, _ := w.run(t.Context(), t); !check.Held(results) {
		t.Errorf("%+v", results)
	}
}

// TestBusyCounter: that others count all the time is no fault of the server.
func TestBusyCounter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Break("counting")
	results, _ := w.run(t.Context(), t)
	for _, r := range results {
		if r.Failure != nil {
			t.Errorf("%s: %+v", r.Name, *r.Failure)
		}
	}
}

// TestFaults breaks one thing at a time. Exactly the named checks fail, all
// others hold or are skipped, and the first failure says what came and why.
func TestFaults(t *testing.T) {
	everything := []string{"health", "ready", "session", "stateless"}
	behindToken := []string{"session", "stateless"}
	for _, tt := range []struct {
		name   string
		server string
		entra  string
		env    map[string]string
		build  string
		failed []string
		got    string
		cause  string
	}{
		{name: "redis", server: "redis", failed: []string{"health"}, got: "redis:false", cause: "cannot reach Redis"},
		{name: "not ready", server: "not-ready", failed: []string{"ready"}, got: "503", cause: "try again in 5 s"},
		{name: "stopped app", server: "stopped", failed: everything, got: "404", cause: "Azure knows no running app"},
		{name: "no healthy replica", server: "gateway", failed: everything, got: "502", cause: "no healthy replica"},
		{name: "another program", server: "website", failed: []string{"health", "session", "stateless"}, got: "It works!", cause: "another program answers"},
		{name: "redirect", server: "redirect", failed: everything, got: "301", cause: "https://elsewhere.example/mcp"},
		{name: "host not allowed", server: "wrong-host", failed: everything, got: "403", cause: "server:allowedHosts"},
		{name: "not acceptable", server: "not-acceptable", failed: behindToken, got: "406", cause: "Not Acceptable"},
		{name: "too many requests", server: "busy", failed: behindToken, got: "429", cause: "try again in 7 s"},
		{name: "server failure that echoes the token", server: "echo-token", failed: behindToken, got: "cannot take [redacted]", cause: "the server failed"},

		{name: "expired secret", entra: "expired-secret", failed: []string{"token"}, got: "AADSTS7000222", cause: "has expired"},
		{name: "wrong secret", env: map[string]string{"ENTRA_CLIENT_SECRET": "not~the~secret"}, failed: []string{"token"},
			got: "AADSTS7000215: Invalid client secret provided: [redacted]", cause: "the secret's value, not its id"},
		{name: "wrong client", env: map[string]string{"ENTRA_CLIENT_ID": "nobody"}, failed: []string{"token"}, got: "AADSTS700016", cause: "ENTRA_CLIENT_ID=nobody"},
		{name: "wrong tenant", env: map[string]string{"ENTRA_TENANT_ID": "99999999-0000-0000-0000-000000000000"}, failed: []string{"token"}, got: "90002", cause: "no tenant with this id"},
		{name: "wrong resource", env: map[string]string{"SERVER_APP_ID_URI": "api://other"}, failed: []string{"token"}, got: "AADSTS500011", cause: "no API with this identifier"},
		{name: "foreign issuer", entra: "foreign-issuer", failed: []string{"token"}, got: "issuer", cause: "ENTRA_AUTHORITY"},
		{name: "Entra away", env: map[string]string{"ENTRA_AUTHORITY": "https://127.0.0.1:1"}, failed: []string{"token"}, got: "refused", cause: "Entra at https://127.0.0.1:1: nothing listens there"},

		{name: "audience", entra: "other-audience", failed: behindToken, got: "401", cause: "audience mismatch"},
		{name: "token of another tenant", entra: "other-tenant", failed: behindToken, got: "401", cause: "another directory"},
		{name: "no role", entra: "no-role", failed: behindToken, got: "403", cause: "role missing"},
		{name: "token wanted", env: map[string]string{"AUTH_REQUIRED": "false"}, failed: behindToken, got: "401", cause: "AUTH_REQUIRED=false"},

		{name: "another build", build: "ffff", failed: []string{"build", "subscription", "stateless"}, got: standin.Build, cause: "another revision answers"},
		{name: "sum", server: "sum", failed: []string{"add", "stateless"}, got: "16", cause: "add is wrong"},
		{name: "status", server: "status", failed: []string{"status", "stateless"}, got: "degraded"},
		{name: "progress out of order", server: "progress", failed: []string{"progress"}, got: "progress 0.66"},
		{name: "log lost", server: "log", failed: []string{"log"}, got: "0 log messages", cause: "log level"},
		{name: "counters apart", server: "counter", failed: []string{"counter"}, got: "the resource said 0, bump_counter answered 1, the resource then said 0", cause: "share one Redis"},
		{name: "prompt", server: "prompt", failed: []string{"prompt"}, got: "Write."},
		{name: "completion", server: "completion", failed: []string{"completion"}, got: "[an empty body]"},
		{name: "sampling", server: "sampling", failed: []string{"sampling", "stateless"}, got: "sampling unavailable", cause: "did not come through"},
		{name: "session kept", server: "delete", failed: []string{"end"}, got: "an answer to tools/list", cause: "kept the session"},
		{name: "session forgotten", server: "forgetful", failed: behindToken[:1], got: "404", cause: "every replica"},
		{name: "one era only", server: "stateless", failed: []string{"stateless"}, got: "protocol version 2025-11-25", cause: "does not speak this revision"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.server != "" {
				w.server.Break(tt.server)
			}
			if tt.entra != "" {
				w.entra.Break(tt.entra)
			}
			for name, value := range tt.env {
				w.env[name] = value
			}
			w.suite.ExpectBuild = tt.build
			results, _ := w.run(t.Context(), t)
			if check.Held(results) {
				t.Fatal("nothing failed")
			}
			var failed []string
			var first *check.Failure
			for _, r := range results {
				if r.Status == check.Failed {
					failed = append(failed, r.Name)
					if first == nil {
						first = r.Failure
					}
					noSecret(t, w, r.Failure.Expected+r.Failure.Got+r.Failure.Cause)
				}
			}
			if !slices.Equal(failed, tt.failed) {
				t.Errorf("failed: %q, want %q", failed, tt.failed)
			}
			if first == nil {
				return
			}
			if !strings.Contains(first.Got, tt.got) || !strings.Contains(first.Cause, tt.cause) || first.Expected == "" || first.Cause == "" {
				t.Errorf("expected %q\n     got %q, want %q in it\n   cause %q, want %q in it", first.Expected, first.Got, tt.got, first.Cause, tt.cause)
			}
		})
	}
}

// noSecret fails when text holds the client secret in use or a token.
func noSecret(t *testing.T, w *world, text string) {
	t.Helper()
	if strings.Contains(text, w.env["ENTRA_CLIENT_SECRET"]) || strings.Contains(text, "eyJ") {
		t.Errorf("a secret in %q", text)
	}
}

// TestHang sees the run end at its limit, whatever the server does.
func TestHang(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Break("hang")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	results, _ := w.run(ctx, t)
	byName := map[string]check.Result{}
	for _, r := range results {
		byName[r.Name] = r
	}
	session := byName["session"]
	if session.Status != check.Failed || !strings.Contains(session.Failure.Got, "nothing within") || !strings.Contains(session.Failure.Cause, "no answer in time") {
		t.Errorf("session: %+v %+v", session, session.Failure)
	}
	if s := byName["stateless"]; s.Status != check.Skipped || s.Detail != "the time for the whole run was over" {
		t.Errorf("stateless: %+v", s)
	}
}

// TestLostUpdate takes the subscription's limit, so that it need not wait for
// the step's own.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Break("subscription")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	results, _ := w.run(ctx, t)
	for _, r := range results {
		if r.Name == "subscription" && (r.Status != check.Failed || !strings.Contains(r.Failure.Got, "the update did not arrive")) {
			t.Errorf("%+v %+v", r, r.Failure)
		}
	}
}
