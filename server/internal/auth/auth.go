// Package auth turns a bearer token of one Microsoft Entra tenant into a [Principal], or refuses with an
// answer that helps. The server is a resource server only: it issues nothing and knows no secret.
//
// Trust boundary: everything in a request is a stranger's until the signature holds. Until then the token
// is only measured, parsed by go-jose (RS256 and nothing else) and asked for its key id; keys and issuers
// come from the tenant's discovery documents alone, never from the token. go-oidc checks signature and
// expiry: there is no cryptography of our own here. Which keys there are is not left to it, for its own
// key set fetches as often as unknown key ids come, and only then notices that a key was withdrawn.
//
// Invariants: without the authority's keys nothing is accepted and nothing is called invalid (503); a
// token that was accepted is accepted until it expires or its key is withdrawn, without asking anyone;
// the token itself never reaches a log, an answer or the handlers behind.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"unsafe"

	"github.com/prynai/prynai-mcp/server/internal/config"
)

// maxToken bounds what is looked at. Entra's tokens have a few kilobytes.
const maxToken = 16 << 10

// A Verifier checks access tokens. It is safe for concurrent use.
type Verifier struct {
	keys      *keyring
	tenant    string
	audiences []string
	required  Requirement
	challenge challenge
	log       *slog.Logger
}

// New makes a verifier that knows no keys yet; [Verifier.Run] fetches them. A nil transport is one that
// trusts the configured authorities.
func New(c config.Config, transport http.RoundTripper, log *slog.Logger) *Verifier {
	if transport == nil {
		ours := http.DefaultTransport.(*http.Transport).Clone()
		ours.TLSClientConfig = &tls.Config{RootCAs: c.RootCAs(), MinVersion: tls.VersionTLS12}
		transport = ours
	}
	client := &http.Client{
		Transport: transport,
		// Entra does not redirect here; who else would, must not lead us elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.AcceptsAnyToken() {
		log.Warn("every application of the tenant is let in: ENTRA_REQUIRED_APP_ROLES is none")
	}
	return &Verifier{
		keys:      &keyring{authority: c.Authority, tenant: c.TenantID, client: client, log: log, turn: make(chan struct{}, 1)},
		tenant:    c.TenantID,
		audiences: c.Audiences,
		required:  requirement(c),
		challenge: newChallenge(c),
		log:       log,
	}
}

func requirement(c config.Config) Requirement {
	switch {
	case c.AcceptsAnyToken():
		return None
	case len(c.RequiredAppRoles)+len(c.RequiredScopes) == 0:
		return someGrant
	}
	r := Requirement{AnyRole: c.RequiredAppRoles}
	for _, scope := range c.RequiredScopes {
		// Clients ask for api://app/name, tokens carry name; people configure either.
		for _, audience := range c.Audiences {
			scope = strings.TrimPrefix(scope, audience+"/")
		}
		r.AnyScope = append(r.AnyScope, scope)
	}
	return r
}

// Run loads the keys and keeps them fresh until the context ends.
func (v *Verifier) Run(ctx context.Context) {
	defer v.keys.client.CloseIdleConnections()
	v.keys.run(ctx)
}

// Ready reports whether keys were ever loaded. It never becomes false again.
func (v *Verifier) Ready() bool { return v.keys.current.Load() != nil }

// Verify tells who a token stands for. Every error is an [*Error]. It may wait for the authority when
// the token names an unknown key, at most once per interval whatever is sent.
func (v *Verifier) Verify(ctx context.Context, raw string) (Principal, error) {
	p, err := v.verify(ctx, raw)
	if err != nil {
		return Principal{}, err
	}
	return *p, nil
}

func (v *Verifier) verify(ctx context.Context, raw string) (*Principal, error) {
	trusted := v.keys.current.Load()
	if trusted == nil {
		return nil, unavailable("no keys of the tenant have been loaded yet")
	}
	if len(raw) > maxToken {
		return nil, invalidToken("The token is too long.", "the token has %d bytes, at most %d are read", len(raw), maxToken)
	}
	key := hash(raw)
	if p := trusted.verified.get(key); p != nil {
		return p, nil
	}

	token, keyID, failure := parse(raw)
	if failure != nil {
		return nil, failure
	}
	trusted, public, err := v.keys.lookup(ctx, keyID)
	if err != nil {
		return nil, err
	}
	signed := &signed{token: token, key: public}
	if failure := signed.verify(ctx, raw, v.tenant, trusted.issuers, v.audiences); failure != nil {
		return nil, failure
	}
	p := signed.claims.principal()
	if !v.required.Allows(*p) {
		return nil, InsufficientScope(*p, v.required)
	}
	trusted.verified.put(key, verified{principal: p, expires: signed.claims.Expiry.Time().Add(skew)})
	return p, nil
}

// hash reads the string in place: a copy of each token would be most of what a call allocates.
func hash(raw string) digest {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(raw), len(raw)))
}
