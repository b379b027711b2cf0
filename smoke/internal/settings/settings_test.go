package settings

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

var right = map[string]string{
	"PRYNAI_MCP_URL": "https://example.com/mcp", "ENTRA_TENANT_ID": "t", "ENTRA_CLIENT_ID": "c",
	"ENTRA_CLIENT_SECRET": "s3cret", "SERVER_APP_ID": "a",
}

func parse(changes map[string]string, need Need) (Settings, error) {
	return Parse(func(name string) string {
		if v, ok := changes[name]; ok {
			return v
		}
		return right[name]
	}, need)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		problem     string // "" for none
	}{
		{"PRYNAI_MCP_URL", "https://example.com/mcp/", ""},
		{"PRYNAI_MCP_URL", "http://127.0.0.1:8000/mcp", ""},
		{"PRYNAI_MCP_URL", "http://[::1]:8000/mcp", ""},
		{"PRYNAI_MCP_URL", "http://localhost:8000/mcp", ""},
		{"PRYNAI_MCP_URL", "", "is missing"},
		{"PRYNAI_MCP_URL", "example.com/mcp", "want an address"},
		{"PRYNAI_MCP_URL", "https://example.com", "path is /mcp"},
		{"PRYNAI_MCP_URL", "ftp://example.com/mcp", "want https://"},
		{"PRYNAI_MCP_URL", "http://localhost.example.com/mcp", "loopback only"},
		{"PRYNAI_MCP_URL", "https://me:hunter2@example.com/mcp", "user name or password"},
		{"ENTRA_CLIENT_ID", "", "ENTRA_CLIENT_SECRET is set"},
		{"ENTRA_AUTHORITY", "https://login.microsoftonline.us/", ""},
		{"ENTRA_AUTHORITY", "http://127.0.0.1:1", "refuses http"},
		{"SERVER_APP_ID_URI", "api://b", ""},
		{"AUTH_REQUIRED", "no", "want true or false"},
		{"TLS_CA", "x", "no certificate"},
	} {
		_, err := parse(map[string]string{tt.name: tt.value}, Need{Server: true, Token: true})
		switch {
		case tt.problem == "" && err != nil:
			t.Errorf("%s=%s: %v", tt.name, tt.value, err)
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.HasPrefix(err.Error(), tt.name)):
			t.Errorf("%s=%s: %v, want %q", tt.name, tt.value, err, tt.problem)
		case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: a secret in %v", tt.name, err)
		}
	}
}

func TestNeeds(t *testing.T) {
	nothing := func(string) string { return "" }
	if _, err := Parse(nothing, Need{}); err != nil {
		t.Error(err)
	}
	_, err := Parse(nothing, Need{Server: true, Token: true})
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 3 {
		t.Errorf("%d problems, want 3 at once: %v", len(lines), err)
	}
	if _, err := Parse(func(n string) string { return map[string]string{"AUTH_REQUIRED": "false"}[n] }, Need{Token: true}); err != nil {
		t.Errorf("without auth: %v", err)
	}
}

func TestDerived(t *testing.T) {
	s, err := parse(nil, Need{Server: true, Token: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.Scope() != "api://a/.default" || s.At("/healthz") != "https://example.com/healthz" || s.CustomAuthority() {
		t.Errorf("%q %q %t", s.Scope(), s.At("/healthz"), s.CustomAuthority())
	}
	s, err = parse(map[string]string{"SERVER_APP_ID_URI": "api://b/", "PRYNAI_MCP_URL": "https://example.com/team/mcp?x=1", "ENTRA_AUTHORITY": "https://e/"}, Need{Server: true, Token: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.Scope() != "api://b/.default" || s.At("/healthz") != "https://example.com/team/healthz" || !s.CustomAuthority() || s.Authority != "https://e" {
		t.Errorf("%q %q %q", s.Scope(), s.At("/healthz"), s.Authority)
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	s := Settings{ClientSecret: "hunter2"}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v", s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%q", s.ClientSecret), string(encoded)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, redacted) {
			t.Error(text)
		}
	}
}

func TestRedact(t *testing.T) {
	const secret = `a<b&"c+d`
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{secret, url.QueryEscape(secret), string(quoted), "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln", "eyJhbGciOiJSUzI1NiJ9.eyJhdW"} {
		got := Redact("before "+text+" after", Secret(secret), "")
		if strings.Contains(got, text) || !strings.Contains(got, "before ") || !strings.Contains(got, redacted) || !strings.HasSuffix(got, " after") {
			t.Errorf("%q became %q", text, got)
		}
	}
}
