package auth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/server/internal/config"
)

// metadataPath is where RFC 9728 puts the metadata of the resource at the origin; that of a resource with
// a path follows behind it.
const metadataPath = "/.well-known/oauth-protected-resource"

// challenge is what a client is told so that it can get the right token.
type challenge struct {
	metadata string // address of the resource's metadata
	identity string // the server app's identifier URI
	scopes   []string
}

func newChallenge(c config.Config) challenge {
	ch := challenge{metadata: c.BaseURL() + metadataPath + "/mcp", identity: identifierURI(c.Audiences)}
	ch.scopes = ch.askable(requirement(c).AnyScope)
	return ch
}

// identifierURI is the audience that scopes are asked under.
func identifierURI(audiences []string) string {
	if i := slices.IndexFunc(audiences, func(a string) bool { return strings.Contains(a, "://") }); i >= 0 {
		return audiences[i]
	}
	if len(audiences) > 0 {
		return "api://" + audiences[0]
	}
	return ""
}

// askable turns the short names of tokens into the form in which a client asks Entra for them. Without any
// it is the one that stands for everything that was granted, app roles included.
func (ch challenge) askable(short []string) []string {
	if len(short) == 0 {
		return []string{ch.identity + "/.default"}
	}
	var long []string
	for _, scope := range short {
		long = append(long, ch.identity+"/"+scope)
	}
	return long
}

// header is the value of WWW-Authenticate. No parameter needs escaping: descriptions are ours, and the
// configuration admits no quotes in the rest.
func (ch challenge) header(e *Error) string {
	var b strings.Builder
	b.WriteString("Bearer ")
	if e.Code != codeNoToken {
		b.WriteString(`error="` + e.Code + `", error_description="` + e.Description + `", `)
	}
	scopes := ch.scopes
	if len(e.need.AnyScope) > 0 {
		scopes = ch.askable(e.need.AnyScope)
	}
	b.WriteString(`resource_metadata="` + ch.metadata + `", scope="` + strings.Join(scopes, " ") + `"`)
	return b.String()
}

// write answers with the refusal.
func (ch challenge) write(w http.ResponseWriter, e *Error) {
	header := w.Header()
	if e.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "5")
	} else {
		header.Set("WWW-Authenticate", ch.header(e))
	}
	header.Set("Cache-Control", "no-store")
	writeJSON(w, e.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description})
}

// Metadata serves RFC 9728's description of the resource at the origin and of /mcp. Its addresses come
// from the configuration: a Host header must not be able to name another resource.
func Metadata(c config.Config) http.Handler {
	scopes := newChallenge(c).scopes
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, found := strings.CutPrefix(r.URL.Path, metadataPath)
		if !c.AuthRequired || !found || path != "" && path != "/mcp" {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=3600")
		writeJSON(w, http.StatusOK, struct {
			Resource  string   `json:"resource"`
			Name      string   `json:"resource_name"`
			Servers   []string `json:"authorization_servers"`
			Scopes    []string `json:"scopes_supported"`
			TokensVia []string `json:"bearer_methods_supported"`
		}{c.BaseURL() + path, "PrynAI MCP", []string{c.Authority + "/" + c.TenantID + "/v2.0"}, scopes, []string{"header"}})
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client has left; there is nobody to tell
}
