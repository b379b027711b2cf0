// Package registrytest is a container registry in memory, on loopback, that asks for credentials as Azure's does:
// every request needs a bearer token, which the registry gives for its admin user's password or for a refresh token,
// and a refresh token for an access token of Azure Resource Manager. It records what it was asked.
package registrytest

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// What the registry hands out; the tests look for these where no secret may be.
const (
	refreshToken = "registrytest-refresh-token"
	bearerToken  = "registrytest-bearer-token"
)

// Options say who may come in. An empty password or token lets nobody in by that way.
type Options struct {
	Username, Password string // the admin user
	AzureToken         string // an access token to exchange
}

// Server is a running registry.
type Server struct {
	// Host is the address to push to: 127.0.0.1:port.
	Host string

	options  Options
	registry http.Handler
	mu       sync.Mutex
	requests []string
}

// New starts a registry that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{options: o, registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.Host = strings.TrimPrefix(web.URL, "http://")
	return s
}

// Requests answers what came since the last call, as "PUT /v2/…".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.requests = nil }()
	return slices.Clone(s.requests)
}

// ServeHTTP serves the registry and its token endpoints.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/oauth2/exchange":
		answer(w, s.options.AzureToken != "" && r.PostFormValue("grant_type") == "access_token" &&
			r.PostFormValue("service") == s.Host && r.PostFormValue("access_token") == s.options.AzureToken,
			map[string]string{"refresh_token": refreshToken})
	case r.URL.Path == "/oauth2/token":
		answer(w, s.known(r), map[string]string{"access_token": bearerToken})
	case r.Header.Get("Authorization") != "Bearer "+bearerToken:
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+s.Host+`/oauth2/token",service="`+s.Host+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		s.registry.ServeHTTP(w, r)
	}
}

func (s *Server) known(r *http.Request) bool {
	if user, password, ok := r.BasicAuth(); ok {
		return password != "" && user == s.options.Username && password == s.options.Password
	}
	return r.PostFormValue("grant_type") == "refresh_token" && r.PostFormValue("refresh_token") == refreshToken
}

func answer(w http.ResponseWriter, ok bool, body map[string]string) {
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client sees a short answer itself
}
