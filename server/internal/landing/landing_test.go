package landing

import (
	"encoding/json"
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var options = Options{BaseURL: "https://mcp.example.com", Environment: "prod", Build: "3f2a9c1d", Auth: true}

// get returns the page and its policy.
func get(t *testing.T, o Options) (page, policy string) {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("Content-Type"); w.Code != 200 || got != "text/html; charset=utf-8" {
		t.Fatalf("got %d %s", w.Code, got)
	}
	return w.Body.String(), w.Header().Get("Content-Security-Policy")
}

// TestPolicy hashes what is really in the page, as a browser does.
func TestPolicy(t *testing.T) {
	page, policy := get(t, options)
	for directive, element := range map[string]string{"script-src": "script", "style-src": "style"} {
		found := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("%d elements %s, want one", len(found), element)
		}
		if want := directive + " " + hash(found[0][1]) + ";"; !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("policy %s", policy)
	}
	for _, forbidden := range []string{"style=", "onclick=", "<img", "<iframe", "<form", " src=", "@import", "url("} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %s", forbidden)
		}
	}
}

func TestSnippets(t *testing.T) {
	for _, auth := range []bool{true, false} {
		o := options
		o.Auth = auth
		page, _ := get(t, o)
		text := func(id string) string {
			found := regexp.MustCompile(`(?s)id="` + id + `"><code>(.*?)</code>`).FindStringSubmatch(page)
			if found == nil {
				return ""
			}
			return html.UnescapeString(found[1])
		}
		const mcp = "https://mcp.example.com/mcp"
		if got := text("mcp-url"); got != mcp {
			t.Errorf("MCP URL %q", got)
		}
		var config struct {
			Inputs  []struct{ ID string }
			Servers map[string]struct {
				Type, URL string
				Headers   map[string]string
			}
		}
		if err := json.Unmarshal([]byte(text("vscode-json")), &config); err != nil {
			t.Fatal(err)
		}
		server := config.Servers[serverName]
		if server.URL != mcp || server.Type != "http" {
			t.Errorf("mcp.json %+v", server)
		}
		if auth && (len(config.Inputs) != 1 || server.Headers["Authorization"] != "Bearer ${input:"+config.Inputs[0].ID+"}") {
			t.Errorf("mcp.json prompts %+v for %+v", config.Inputs, server.Headers)
		}
		for _, id := range []string{"claude", "inspector"} {
			if got := text(id); !strings.Contains(got, " "+mcp) || strings.Contains(got, "Authorization") != auth {
				t.Errorf("auth %v: %s", auth, got)
			}
		}
		if got := text("metadata"); (got == "https://mcp.example.com/.well-known/oauth-protected-resource/mcp") != auth {
			t.Errorf("auth %v: metadata %q", auth, got)
		}

		link := html.UnescapeString(regexp.MustCompile(`href="(vscode:[^"]*)"`).FindStringSubmatch(page)[1])
		query, err := url.PathUnescape(strings.TrimPrefix(link, "vscode:mcp/install?"))
		if err != nil {
			t.Fatal(err)
		}
		var install struct{ Name, Type, URL string }
		if err := json.Unmarshal([]byte(query), &install); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if install.URL != mcp || install.Type != "http" || install.Name != serverName {
			t.Errorf("install link %+v", install)
		}
	}
}

// TestEachCopyButtonHasItsText guards the pairs that the script relies on, and
// that each button has a name of its own for a screen reader.
func TestEachCopyButtonHasItsText(t *testing.T) {
	page, _ := get(t, options)
	buttons := regexp.MustCompile(`<button [^>]*data-copy="([^"]+)" aria-label="[^"]+"`).FindAllStringSubmatch(page, -1)
	if len(buttons) != 5 || strings.Count(page, "<button") != 5 {
		t.Errorf("%d copy buttons", len(buttons))
	}
	for _, button := range buttons {
		if !strings.Contains(page, `<pre id="`+button[1]+`">`) {
			t.Errorf("nothing to copy for %s", button[1])
		}
	}
	for _, id := range regexp.MustCompile(`aria-labelledby="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+id[1]+`"`) {
			t.Errorf("no heading %s", id[1])
		}
	}
}

func TestHostileConfiguration(t *testing.T) {
	page, _ := get(t, Options{BaseURL: `https://x"><script>alert(1)</script>`, Environment: `<b>`, Build: `"><i>`, Auth: true})
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>") || strings.Contains(page, "<i>") {
		t.Error("markup came through")
	}
}
