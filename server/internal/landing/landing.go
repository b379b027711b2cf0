// Package landing is the page at / for a person with a browser: what this
// server is, whether it is healthy, and how to connect each client.
//
// The page is one document without outside assets. Its Content-Security-Policy
// names its own style and script by hash and lets it fetch from this server
// alone. It is the same for everybody, made once, from the operator's
// configuration; nothing of a request enters it.
package landing

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// Options is what the page says.
type Options struct {
	BaseURL     string // where clients reach the server, without a path: https://host
	Environment string // may be empty
	Build       string // may be empty
	Auth        bool   // whether a token is needed
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// serverName is what clients call the server in their own configuration.
const serverName = "prynai"

// New returns the handler for GET /.
func New(o Options) (http.Handler, error) {
	page, err := render(o)
	if err != nil {
		return nil, fmt.Errorf("landing page: %w", err)
	}
	policy := strings.Join([]string{
		"default-src 'none'",
		"style-src " + hash(pageCSS),
		"script-src " + hash(pageJS),
		"img-src data:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(page) // the reader has left: nobody to tell
	}), nil
}

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func render(o Options) ([]byte, error) {
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(o.BaseURL, "/")
	mcp := base + "/mcp"
	install, err := json.Marshal(map[string]string{"name": serverName, "type": "http", "url": mcp})
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = parsed.Execute(&page, struct {
		Options
		CSS        template.CSS
		JS         template.JS
		MCP        string
		Metadata   string
		Install    template.URL
		VSCodeJSON string
		Claude     string
		Inspector  string
	}{
		Options:    o,
		CSS:        template.CSS(pageCSS),
		JS:         template.JS(pageJS),
		MCP:        mcp,
		Metadata:   base + "/.well-known/oauth-protected-resource/mcp",
		Install:    template.URL("vscode:mcp/install?" + url.QueryEscape(string(install))),
		VSCodeJSON: vscodeJSON(mcp, o.Auth),
		Claude:     claude(mcp, o.Auth),
		Inspector:  inspector(mcp, o.Auth),
	})
	return page.Bytes(), err
}

// vscodeJSON is a .vscode/mcp.json; with auth it prompts for the token, so that
// none is ever in the file.
func vscodeJSON(mcp string, auth bool) string {
	if !auth {
		return fmt.Sprintf(`{
  "servers": {
    %q: {
      "type": "http",
      "url": %q
    }
  }
}`, serverName, mcp)
	}
	return fmt.Sprintf(`{
  "inputs": [
    {
      "type": "promptString",
      "id": "%[1]s-token",
      "description": "Access token",
      "password": true
    }
  ],
  "servers": {
    %[1]q: {
      "type": "http",
      "url": %[2]q,
      "headers": {
        "Authorization": "Bearer ${input:%[1]s-token}"
      }
    }
  }
}`, serverName, mcp)
}

// The commands take the token from a variable, to keep it out of the shell's history.
const tokenHeader = ` --header "Authorization: Bearer $TOKEN"`

func claude(mcp string, auth bool) string {
	command := "claude mcp add --transport http " + serverName + " " + mcp
	if auth {
		command += tokenHeader
	}
	return command
}

func inspector(mcp string, auth bool) string {
	command := "npx @modelcontextprotocol/inspector --cli " + mcp + " --transport http --method tools/list"
	if auth {
		command += tokenHeader
	}
	return command
}
