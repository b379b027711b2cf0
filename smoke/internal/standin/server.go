package standin

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"github.com/mark3labs/mcp-go/server"
)

// Server is an MCP server with the product's surface, in small.
type Server struct {
	faults
	URL string // of the MCP endpoint
	CA  string

	entra  *Entra // nil: no token is asked for
	base   string
	mcp    *server.MCPServer
	engine *server.StreamableHTTPServer
	ending chan struct{}

	mu       sync.Mutex
	counter  int64
	sessions map[string]*session
	pending  map[string]chan []byte // answers of clients that are waited for
}

// NewServer starts a server that lives as long as the test and accepts the
// tokens of entra, or goes without when that is nil.
func NewServer(t Test, entra *Entra) *Server {
	s := &Server{entra: entra, ending: make(chan struct{}),
		sessions: map[string]*session{}, pending: map[string]chan []byte{}}
	s.mcp = s.surface()
	s.engine = s.newEngine()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"status": "ok", "redis": !s.broken("redis")})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.broken("not-ready") {
			w.Header().Set("Retry-After", "5")
			reply(w, http.StatusServiceUnavailable, map[string]any{"error": "unavailable", "error_description": "Redis has not been reached yet"})
			return
		}
		reply(w, http.StatusOK, map[string]any{"status": "ready"})
	})
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", s.metadata)
	mux.Handle("/mcp", s.authenticate(http.HandlerFunc(s.serveMCP)))
	ts := startTLS(s.edge(mux), func(url string) { s.base, s.URL = url, url+"/mcp" })
	t.Cleanup(func() { close(s.ending); ts.CloseClientConnections(); ts.Close() })
	s.CA = certificatePEM(ts)
	return s
}

// edge holds the faults that happen before a server proper is reached.
func (s *Server) edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.broken("stopped"):
			http.Error(w, "<h1>Error 404 - This Container App is stopped or does not exist.</h1>", http.StatusNotFound)
		case s.broken("gateway"):
			http.Error(w, "upstream connect error", http.StatusBadGateway)
		case s.broken("website"):
			_, _ = io.WriteString(w, "<html>It works!</html>")
		case s.broken("redirect"):
			http.Redirect(w, r, "https://elsewhere.example/mcp", http.StatusMovedPermanently)
		case s.broken("wrong-host"):
			reply(w, http.StatusForbidden, map[string]any{"error": "invalid_host", "error_description": "this server does not answer to that host name"})
		case s.broken("not-acceptable") && r.URL.Path == "/mcp":
			http.Error(w, "Not Acceptable: client must accept both application/json and text/event-stream", http.StatusNotAcceptable)
		case s.broken("busy") && r.URL.Path == "/mcp":
			w.Header().Set("Retry-After", "7")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
		case s.broken("hang") && r.URL.Path == "/mcp":
			select {
			case <-r.Context().Done():
			case <-s.ending:
			}
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	if s.entra == nil || s.broken("no-metadata") {
		http.NotFound(w, nil)
		return
	}
	resource := s.URL
	if s.broken("other-resource") {
		resource = "https://elsewhere.example/mcp"
	}
	tenant := TenantID
	if s.broken("metadata-tenant") {
		tenant = "66666666-6666-6666-6666-666666666666"
	}
	reply(w, http.StatusOK, map[string]any{
		"resource":                 resource,
		"authorization_servers":    []string{s.entra.URL + "/" + tenant + "/v2.0"},
		"scopes_supported":         []string{"api://" + ServerAppID + "/mcp.invoke"},
		"bearer_methods_supported": []string{"header"},
	})
}

// authenticate is the product's token check in small: signature, audience,
// tenant, time, and a role.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.entra == nil {
			next.ServeHTTP(w, r)
			return
		}
		raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		var claims struct {
			jwt.RegisteredClaims
			TenantID string   `json:"tid"`
			Roles    []string `json:"roles"`
		}
		_, err := jwt.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) { return signingKey, nil }, jwt.WithAudience(ServerAppID))
		challenge := `Bearer resource_metadata="` + s.base + `/.well-known/oauth-protected-resource/mcp"`
		switch {
		case s.broken("echo-token"):
			reply(w, http.StatusInternalServerError, map[string]any{"error": "server_error", "error_description": "cannot take " + raw})
		case err != nil || claims.TenantID != TenantID:
			w.Header().Set("WWW-Authenticate", challenge+`, error="invalid_token"`)
			reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token", "error_description": "the token was not accepted"})
		case !slices.Contains(claims.Roles, Role):
			w.Header().Set("WWW-Authenticate", challenge+`, error="insufficient_scope"`)
			reply(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope", "error_description": "a role or scope is missing"})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
