// Package entratest is a local stand-in for Microsoft Entra ID: one tenant, one protected server app and
// some client apps. It serves the v1 and v2 discovery documents, the signing keys and the token endpoint
// for client credentials, close enough for azidentity (with instance discovery disabled and this
// stand-in as the authority host), and mints any token that a test wants.
//
// Its keys are made when it starts and live in memory only. It is for tests and for running the
// deployment on one machine; whoever can reach it and knows an app's secret gets a token.
package entratest

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// The identifiers used when [Options] leaves them out.
const (
	DefaultTenant       = "10000000-0000-4000-8000-000000000001"
	DefaultServerAppID  = "20000000-0000-4000-8000-000000000002"
	DefaultClientID     = "30000000-0000-4000-8000-000000000003"
	DefaultClientSecret = "local-client-secret"
	DefaultRole         = "Mcp.Invoke"
)

// An App is a client application that may ask for tokens.
type App struct {
	ID     string
	Secret string
	Roles  []string // app roles granted on the server app
}

// Options describe the tenant. Every field has a default.
type Options struct {
	Authority      string // base URL of the stand-in as clients see it, https://127.0.0.1:8443; see SetAuthority
	Tenant         string
	ServerAppID    string
	ServerAppIDURI string // api://<ServerAppID>
	Apps           []App  // one with DefaultClientID, DefaultClientSecret and DefaultRole
	TokenVersion   int    // 1 or 2 (the default): the server app's requestedAccessTokenVersion
}

// Entra is the stand-in. It is an http.Handler, and safe for concurrent use.
type Entra struct {
	mux *http.ServeMux

	mu      sync.Mutex
	options Options
	keys    []signingKey // the last one signs; all are published
	made    int          // keys ever made
	fetches Fetches
	away    bool
}

type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// Fetches counts the requests that arrived since the start, those refused while away included.
type Fetches struct {
	Discovery int
	Keys      int
	Tokens    int
}

// New makes a stand-in with one fresh signing key.
func New(o Options) *Entra {
	o.Tenant = cmp.Or(o.Tenant, DefaultTenant)
	o.ServerAppID = cmp.Or(o.ServerAppID, DefaultServerAppID)
	o.ServerAppIDURI = cmp.Or(o.ServerAppIDURI, "api://"+o.ServerAppID)
	o.TokenVersion = cmp.Or(o.TokenVersion, 2)
	if o.Apps == nil {
		o.Apps = []App{{ID: DefaultClientID, Secret: DefaultClientSecret, Roles: []string{DefaultRole}}}
	}
	e := &Entra{options: o, mux: http.NewServeMux()}
	e.mux.HandleFunc("GET /{tenant}/.well-known/openid-configuration", e.discovery(1))
	e.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", e.discovery(2))
	e.mux.HandleFunc("GET /{tenant}/discovery/keys", e.publishKeys)
	e.mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", e.publishKeys)
	e.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.token)
	e.Rotate()
	return e
}

// TB is the part of testing.TB that Start needs, so that programs can use this package without testing.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Start serves a new stand-in over plain HTTP on a free loopback port until the test ends.
func Start(t TB, o Options) *Entra {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := New(o)
	e.SetAuthority("http://" + listener.Addr().String())
	server := &http.Server{Handler: e}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // always ErrServerClosed: Close is the only way out
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return e
}

// SetAuthority says under which base URL clients reach the stand-in, where that is known only after New.
func (e *Entra) SetAuthority(url string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.options.Authority = strings.TrimSuffix(url, "/")
}

// Options are the options in force, defaults filled in.
func (e *Entra) Options() Options {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.options
}

// SetAway makes every endpoint answer 503, or ends that.
func (e *Entra) SetAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

// Fetches tells how often each endpoint was asked.
func (e *Entra) Fetches() Fetches {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fetches
}

// Rotate makes a new key and signs with it from now on. The old ones stay published until [Entra.Retire].
func (e *Entra) Rotate() {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the system has no randomness
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made++
	e.keys = append(e.keys, signingKey{id: fmt.Sprintf("key-%d", e.made), private: private})
}

// Retire publishes no key but the one that signs now.
func (e *Entra) Retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys = e.keys[len(e.keys)-1:]
}

// SigningKey is the key that signs now and its id, for tokens that Mint would not make.
func (e *Entra) SigningKey() (id string, private *rsa.PrivateKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := e.keys[len(e.keys)-1]
	return key.id, key.private
}

func (e *Entra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		e.fetches.Discovery++
	case strings.HasSuffix(r.URL.Path, "/keys"):
		e.fetches.Keys++
	case strings.HasSuffix(r.URL.Path, "/token"):
		e.fetches.Tokens++
	}
	away := e.away
	e.mu.Unlock()
	if away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	e.mux.ServeHTTP(w, r)
}

// Issuer is what tokens of that version carry in iss. As in Entra, v1's is on another host than the authority.
func (e *Entra) Issuer(version int) string {
	o := e.Options()
	if version == 1 {
		return "https://sts.windows.net/" + o.Tenant + "/"
	}
	return o.Authority + "/" + o.Tenant + "/v2.0"
}

func (e *Entra) discovery(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := e.Options()
		if r.PathValue("tenant") != o.Tenant {
			e.refuse(w, unknownTenant(r.PathValue("tenant")))
			return
		}
		tenant, infix := o.Authority+"/"+o.Tenant, ""
		if version == 2 {
			infix = "/v2.0"
		}
		reply(w, http.StatusOK, map[string]any{
			"issuer":                                e.Issuer(version),
			"jwks_uri":                              tenant + "/discovery" + infix + "/keys",
			"authorization_endpoint":                tenant + "/oauth2" + infix + "/authorize",
			"token_endpoint":                        tenant + "/oauth2" + infix + "/token",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
			"response_types_supported":              []string{"code"},
			"subject_types_supported":               []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"tenant_region_scope":                   "EU",
		})
	}
}

func (e *Entra) publishKeys(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("tenant") != e.Options().Tenant {
		e.refuse(w, unknownTenant(r.PathValue("tenant")))
		return
	}
	var set jose.JSONWebKeySet
	e.mu.Lock()
	for _, key := range e.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.private.Public(), KeyID: key.id, Use: "sig"})
	}
	e.mu.Unlock()
	reply(w, http.StatusOK, set)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has left; there is nobody to tell
}
