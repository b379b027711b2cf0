package auth

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

func TestGoodRequests(t *testing.T) {
	entra := newEntra()
	older, olderKey := entra.SigningKey()
	entra.Rotate()
	const (
		user   = "0a000000-0000-4000-8000-00000000000a"
		client = entratest.DefaultClientID
		app    = "5e000000-0000-4000-8000-000000000003"
	)
	application := Principal{Kind: Application, Tenant: tenant, Object: app, Subject: app, Client: client, Roles: []string{"Mcp.Invoke"}, Scopes: []string{}}
	person := Principal{Kind: User, Tenant: tenant, Object: user, Subject: "pairwise-" + user, Client: client, Scopes: []string{"mcp.invoke"}}
	with := func(p Principal, change func(*Principal)) Principal { change(&p); return p }
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }

	tests := []struct {
		name   string
		token  func() string
		scheme string // Bearer, unless given
		want   Principal
	}{
		{name: "v2, application", token: func() string { return entra.Mint(entratest.Token{Version: 2}) }, want: application},
		{name: "v1, application", token: func() string { return entra.Mint(entratest.Token{Version: 1}) }, want: application},
		{name: "v2, user, scope", token: func() string {
			return entra.Mint(entratest.Token{Version: 2, User: user, Scopes: []string{"mcp.invoke"}})
		}, want: person},
		{name: "v1, user, scope", token: func() string {
			return entra.Mint(entratest.Token{Version: 1, User: user, Scopes: []string{"mcp.invoke"}})
		}, want: person},
		{name: "scope among others", token: func() string {
			return entra.Mint(entratest.Token{User: user, Scopes: []string{"mcp.read", "mcp.invoke"}})
		}, want: with(person, func(p *Principal) { p.Scopes = []string{"mcp.read", "mcp.invoke"} })},
		{name: "user let in by a role", token: func() string {
			return entra.Mint(entratest.Token{User: user, Scopes: []string{"mcp.read"}, Roles: []string{"Mcp.Admin"}})
		}, want: with(person, func(p *Principal) { p.Scopes, p.Roles = []string{"mcp.read"}, []string{"Mcp.Admin"} })},
		{name: "without idtyp", token: func() string { return entra.Mint(entratest.Token{Claims: map[string]any{"idtyp": nil}}) }, want: application},
		{name: "without object id", token: func() string { return entra.Mint(entratest.Token{Claims: map[string]any{"oid": nil}}) },
			want: with(application, func(p *Principal) { p.Object = "" })},
		{name: "ours among several audiences", token: func() string {
			return entra.Mint(entratest.Token{Claims: map[string]any{"aud": []string{"api://other", identifier}}})
		}, want: application},
		{name: "ours alone in a list", token: func() string { return entra.Mint(entratest.Token{Claims: map[string]any{"aud": []string{audience}}}) }, want: application},
		{name: "older key, still published", token: func() string {
			return jws(`{"alg":"RS256","kid":"`+older+`"}`, toJSON(entra.Claims(entratest.Token{})), rs256(olderKey))
		}, want: application},
		{name: "expired within the skew", token: func() string { return entra.Mint(entratest.Token{Claims: map[string]any{"exp": in(-skew)}}) }, want: application},
		{name: "valid within the skew", token: func() string {
			return entra.Mint(entratest.Token{Claims: map[string]any{"nbf": in(skew), "iat": in(skew)}})
		}, want: application},
		{name: "without nbf and iat", token: func() string { return entra.Mint(entratest.Token{Claims: map[string]any{"nbf": nil, "iat": nil}}) }, want: application},
		{name: "expiry with a fraction", token: func() string {
			return entra.Mint(entratest.Token{Claims: map[string]any{"exp": float64(in(time.Hour)) + 0.5}})
		}, want: application},
		{name: "claims of no concern", token: func() string {
			return entra.Mint(entratest.Token{Claims: map[string]any{"groups": []string{"a"}, "xms_cc": 1, "padding": strings.Repeat("x", 8<<10)}})
		}, want: application},
		{name: "header parameters of no concern", token: func() string {
			id, key := entra.SigningKey()
			return jws(`{"alg":"RS256","kid":"`+id+`","typ":"at+jwt","x5t":"eA","nonce":"1"}`, toJSON(entra.Claims(entratest.Token{})), rs256(key))
		}, want: application},
		{name: "scheme in lower case", scheme: "bearer", token: func() string { return entra.Mint(entratest.Token{}) }, want: application},
		{name: "more than one space", scheme: "Bearer  ", token: func() string { return entra.Mint(entratest.Token{}) }, want: application},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, log := newVerifier(t, entra, "ENTRA_TENANT_ID="+strings.ToUpper(tenant))
				loadKeys(t, v)
				scheme := "Bearer"
				if test.scheme != "" {
					scheme = test.scheme
				}
				token := test.token()
				for _, round := range []string{"verified", "cached"} {
					var got *Principal
					handler := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						p := FromContext(r.Context())
						got = &p
						if len(r.Header["Authorization"]) > 0 {
							t.Error("the token is passed on")
						}
						w.WriteHeader(http.StatusNoContent)
					}))
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, request(t, scheme+" "+token))
					if recorder.Code != http.StatusNoContent || recorder.Body.Len() > 0 || len(recorder.Header()) > 0 || got == nil {
						t.Fatalf("%s: %d %v %s\n%s", round, recorder.Code, recorder.Header(), recorder.Body, log)
					}
					test.want.id = test.want.ID()
					if !reflect.DeepEqual(*got, test.want) {
						t.Errorf("%s: principal = %+v\nwant %+v", round, *got, test.want)
					}
				}
				if log.String() != "" {
					t.Errorf("a good request needs no record here: %s", log)
				}
			})
		})
	}
}

// What a server that names neither roles nor scopes lets in, and what the switch changes.
func TestRequiredGrants(t *testing.T) {
	entra := newEntra()
	const (
		bare   = "no role, no scope"
		role   = "some role"
		scope  = "some scope"
		invoke = "scope mcp.invoke"
	)
	tokens := map[string]entratest.Token{
		bare:   {Claims: map[string]any{"roles": nil}},
		role:   {Roles: []string{"Whatever"}},
		scope:  {User: "u", Scopes: []string{"whatever"}},
		invoke: {User: "u", Scopes: []string{"mcp.invoke"}},
	}
	for _, test := range []struct {
		roles, scopes string
		let           []string
		needs         string // what the others are told
	}{
		{"", "", []string{role, scope, invoke}, "an app role or a scope of this server"},
		{"none", "", []string{bare, role, scope, invoke}, ""},
		{"", "mcp.invoke", []string{invoke}, "the scope mcp.invoke"},
		{"", identifier + "/mcp.invoke", []string{invoke}, "the scope mcp.invoke"},
		{"Whatever", "mcp.invoke", []string{role, invoke}, "the app role Whatever, or the scope mcp.invoke"},
		{"Whatever", "", []string{role}, "the app role Whatever"},
	} {
		v, log := newVerifier(t, entra, "ENTRA_REQUIRED_APP_ROLES="+test.roles, "ENTRA_REQUIRED_SCOPES="+test.scopes)
		loadKeys(t, v)
		if warned := strings.Contains(log.String(), "every application of the tenant is let in"); warned != (test.roles == "none") {
			t.Errorf("roles %q: log at start is %s", test.roles, log)
		}
		for name, token := range tokens {
			recorder := httptest.NewRecorder()
			v.Middleware(http.NotFoundHandler()).ServeHTTP(recorder, bearerOf(t, entra.Mint(token)))
			want := http.StatusForbidden
			for _, let := range test.let {
				if let == name {
					want = http.StatusNotFound
				}
			}
			if recorder.Code != want {
				t.Errorf("roles %q, scopes %q, token with %s: status %d, want %d", test.roles, test.scopes, name, recorder.Code, want)
			}
			if want == http.StatusForbidden && !strings.Contains(recorder.Body.String(), "this needs "+test.needs+".") {
				t.Errorf("roles %q, scopes %q: %s", test.roles, test.scopes, recorder.Body)
			}
		}
	}
}
