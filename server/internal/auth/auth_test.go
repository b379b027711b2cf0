package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

func TestPrincipalID(t *testing.T) {
	for want, p := range map[string]Principal{
		"":              {},
		"local":         {Kind: Local},
		"t/o":           {Kind: User, Tenant: "t", Object: "o", Subject: "s"},
		"t/sub:s":       {Kind: Application, Tenant: "t", Subject: "s"},
		"t/sub:t/other": {Kind: User, Tenant: "t", Subject: "t/other"},
	} {
		if got := p.ID(); got != want {
			t.Errorf("ID of %+v = %q, want %q", p, got, want)
		}
	}
}

func TestContext(t *testing.T) {
	if p := FromContext(t.Context()); p.Kind != "" || p.ID() != "" {
		t.Errorf("an empty context has %+v", p)
	}
	want := Principal{Kind: User, Tenant: "t", Object: "o"}
	if got := FromContext(NewContext(t.Context(), want)); !reflect.DeepEqual(got, want) {
		t.Errorf("FromContext = %+v", got)
	}
}

func TestOpen(t *testing.T) {
	var got Principal
	Open(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = FromContext(r.Context()) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/mcp", nil))
	if got.ID() != "local" || !(Requirement{AnyRole: []string{"Mcp.Admin"}}).Allows(got) {
		t.Errorf("principal = %+v", got)
	}
}

func TestRequirement(t *testing.T) {
	either := Requirement{AnyRole: []string{"A", "B"}, AnyScope: []string{"c"}}
	user := Principal{Kind: User, Scopes: []string{"c"}}
	app := Principal{Kind: Application, Roles: []string{"B"}}
	for _, test := range []struct {
		name string
		r    Requirement
		p    Principal
		want bool
	}{
		{"None, nobody", None, Principal{}, true},
		{"None, user", None, Principal{Kind: User}, true},
		{"nothing declared", Requirement{}, app, false},
		{"nothing declared, nobody", Requirement{}, Principal{}, false},
		{"scope held", either, user, true},
		{"role held", either, app, true},
		{"role name held as a scope", either, Principal{Kind: User, Scopes: []string{"A"}}, false},
		{"nothing held", either, Principal{Kind: User}, false},
		{"held by nobody", either, Principal{Roles: []string{"A"}}, false},
		{"any grant, none held", someGrant, Principal{Kind: Application}, false},
		{"any grant, nobody", someGrant, Principal{}, false},
		{"any grant, one held", someGrant, Principal{Kind: User, Scopes: []string{"x"}}, true},
		{"local", either, Principal{Kind: Local}, true},
	} {
		if got := test.r.Allows(test.p); got != test.want {
			t.Errorf("%s: Allows = %v", test.name, got)
		}
	}
	if None.IsZero() || someGrant.IsZero() || either.IsZero() || !(Requirement{}).IsZero() {
		t.Error("IsZero must tell a declaration from none")
	}
	if got := either.String(); got != "the app role A or B, or the scope c" {
		t.Errorf("String = %q", got)
	}
}

// A tool that asks for more than the server does is refused with what that tool needs.
func TestDenyForOneTool(t *testing.T) {
	v, log := newVerifier(t, newEntra())
	p := Principal{Kind: User, Tenant: tenant, Object: "o", Client: "c", Scopes: []string{"mcp.invoke"}}
	recorder := httptest.NewRecorder()
	need := Requirement{AnyRole: []string{"Mcp.Admin"}, AnyScope: []string{"mcp.admin"}}
	v.Deny(recorder, httptest.NewRequest(http.MethodPost, "/mcp?access_token=secret", nil), InsufficientScope(p, need))
	const description = "The token is valid, but this needs the app role Mcp.Admin, or the scope mcp.admin."
	want := `Bearer error="insufficient_scope", error_description="` + description + `", resource_metadata="` + metadataURL + `", scope="` + identifier + `/mcp.admin"`
	if got := recorder.Header().Get("WWW-Authenticate"); recorder.Code != http.StatusForbidden || got != want {
		t.Errorf("%d %s\nwant %s", recorder.Code, got, want)
	}
	for _, part := range []string{"principal.id=" + tenant + "/o", "principal.kind=user", "principal.client=c", "path=/mcp ", `scopes [\"mcp.invoke\"]`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("no %s in %s", part, log)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the query is logged: %s", log)
	}
}

func TestDenyOfAnotherError(t *testing.T) {
	v, log := newVerifier(t, newEntra())
	recorder := httptest.NewRecorder()
	v.Deny(recorder, httptest.NewRequest(http.MethodPost, "/mcp", nil), context.DeadlineExceeded)
	if recorder.Code != http.StatusServiceUnavailable || strings.Contains(recorder.Body.String(), "deadline") || !strings.Contains(log.String(), "deadline") {
		t.Errorf("%d %s\n%s", recorder.Code, recorder.Body, log)
	}
}

func TestMetadata(t *testing.T) {
	const servers = `"authorization_servers":["https://login.example.com/` + tenant + `/v2.0"]`
	for _, test := range []struct {
		name    string
		changes []string
		method  string
		path    string
		status  int
		body    string
	}{
		{"of the endpoint", nil, "GET", "/mcp", 200, `{"resource":"` + publicURL + `/mcp","resource_name":"PrynAI MCP",` + servers + `,"scopes_supported":["` + identifier + `/mcp.invoke"],"bearer_methods_supported":["header"]}`},
		{"of the origin", nil, "GET", "", 200, `{"resource":"` + publicURL + `","resource_name":"PrynAI MCP",` + servers + `,"scopes_supported":["` + identifier + `/mcp.invoke"],"bearer_methods_supported":["header"]}`},
		{"no scopes required", []string{"ENTRA_REQUIRED_SCOPES="}, "HEAD", "/mcp", 200, `"scopes_supported":["` + identifier + `/.default"]`},
		{"scopes given in the long form", []string{"ENTRA_REQUIRED_SCOPES=" + identifier + "/a,b"}, "GET", "/mcp", 200, `"scopes_supported":["` + identifier + `/a","` + identifier + `/b"]`},
		{"audience without an identifier URI", []string{"ENTRA_AUDIENCES=" + audience}, "GET", "/mcp", 200, `["` + identifier + `/mcp.invoke"]`},
		{"on loopback", []string{"PUBLIC_URL="}, "GET", "/mcp", 200, `{"resource":"http://127.0.0.1:8000/mcp"`},
		{"another resource", nil, "GET", "/other", 404, "404"},
		{"written to", nil, "POST", "/mcp", 405, "use GET"},
		{"auth is off", []string{"AUTH_REQUIRED=false"}, "GET", "/mcp", 404, "404"},
	} {
		r := httptest.NewRequest(test.method, metadataPath+test.path, nil)
		r.Host = "evil.example.com"
		recorder := httptest.NewRecorder()
		Metadata(newConfig(t, test.changes...)).ServeHTTP(recorder, r)
		if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.body) {
			t.Errorf("%s: %d %s\nwant %d %s", test.name, recorder.Code, recorder.Body, test.status, test.body)
		}
		if test.status == 200 && (recorder.Header().Get("Content-Type") != "application/json" || !json.Valid(recorder.Body.Bytes())) {
			t.Errorf("%s: %v %s", test.name, recorder.Header(), recorder.Body)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache()
		key := func(i int) (d digest) {
			binary.BigEndian.PutUint64(d[:], uint64(i))
			return d
		}
		p := &Principal{}
		for i := range maxVerified / 2 {
			c.put(key(i), verified{p, time.Now().Add(time.Minute)})
		}
		time.Sleep(2 * time.Minute)
		for i := maxVerified / 2; i <= maxVerified; i++ {
			c.put(key(i), verified{p, time.Now().Add(time.Hour)})
		}
		if got, want := len(c.entries), maxVerified/2+1; got != want {
			t.Errorf("%d entries, want the %d that are valid", got, want)
		}
		for i := range 3 * maxVerified {
			c.put(key(2*maxVerified+i), verified{p, time.Now().Add(time.Hour)})
			if len(c.entries) > maxVerified {
				t.Fatalf("%d entries", len(c.entries))
			}
		}
		if len(c.entries) < maxVerified/2 || c.get(key(5*maxVerified-1)) != p {
			t.Errorf("%d entries are left, the newest among them: %v", len(c.entries), c.get(key(5*maxVerified-1)) == p)
		}
	})
}

// FuzzParse looks for a token that makes the parser crash, or that it takes although no key was named.
func FuzzParse(f *testing.F) {
	entra := newEntra()
	kid, key := entra.SigningKey()
	good := entra.Mint(entratest.Token{})
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, entra.Mint(entratest.Token{Version: 1, User: "u", Scopes: []string{"s"}}), "", ".", "..", "...", "....", good + ".", parts[0] + ".." + parts[2],
		jws(`{"alg":"none"}`, `{}`, func(string) []byte { return nil }), jws(`{"alg":"RS256","kid":"`+kid+`"}`, `null`, rs256(key)),
		jws(`{"alg":"RS256","kid":"`+kid+`","crit":["b64"],"b64":false}`, `{"exp":1e400}`, rs256(key)),
		jws(`{"alg":"RS256","kid":"`+kid+`","jwk":{"kty":"oct","k":"AA"}}`, `{"aud":[null]}`, rs256(key)), strings.Repeat("A", maxToken), "ｅｙ.ｅｙ.ｅｙ",
	} {
		f.Add(seed)
	}
	v, _ := newVerifier(f, entra)
	loadKeys(f, v)
	// Unknown key ids must not make the fuzzer wait for the authority.
	v.keys.attempted = time.Now().Add(24 * time.Hour)
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := v.Verify(t.Context(), raw)
		if err != nil {
			return
		}
		// Only what Entra signed gets in: the payload is that of a seed.
		if input := strings.SplitN(raw, ".", 3); p.Tenant != tenant || len(input) != 3 || len(input[1]) < 100 {
			t.Errorf("let in: %q as %+v", raw, p)
		}
	})
}

func BenchmarkMiddlewareCached(b *testing.B) {
	entra := newEntra()
	v, _ := newVerifier(b, entra)
	loadKeys(b, v)
	token := "Bearer " + entra.Mint(entratest.Token{Claims: map[string]any{"padding": strings.Repeat("x", 700)}})
	handler := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	header := http.Header{}
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header = header
	values := []string{token}
	w := httptest.NewRecorder()
	b.ReportAllocs()
	b.SetBytes(int64(len(token)))
	for b.Loop() {
		header["Authorization"] = values
		handler.ServeHTTP(w, r)
	}
	if w.Code != http.StatusOK {
		b.Fatalf("status %d", w.Code)
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	entra := newEntra()
	v, _ := newVerifier(b, entra)
	loadKeys(b, v)
	token := entra.Mint(entratest.Token{Claims: map[string]any{"padding": strings.Repeat("x", 700)}})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerifyNew(b *testing.B) {
	entra := newEntra()
	v, _ := newVerifier(b, entra)
	loadKeys(b, v)
	token := entra.Mint(entratest.Token{})
	for b.Loop() {
		clear(v.keys.current.Load().verified.entries)
		if _, err := v.verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// A cache hit is on the way of every call: it must not burden the collector.
func TestCacheHitAllocatesNothing(t *testing.T) {
	entra := newEntra()
	v, _ := newVerifier(t, entra)
	loadKeys(t, v)
	token := entra.Mint(entratest.Token{})
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = v.verify(t.Context(), token) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestErrorsTellOperatorAndClientApart(t *testing.T) {
	entra := newEntra()
	v := New(newConfig(t), direct{entra}, slog.New(slog.NewTextHandler(new(bytes.Buffer), nil)))
	loadKeys(t, v)
	_, err := v.Verify(t.Context(), entra.Mint(entratest.Token{Claims: map[string]any{"aud": "api://other"}}))
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeInvalidToken || strings.Contains(e.Description, "api://other") || !strings.Contains(e.Error(), `aud is "api://other", expected one of`) {
		t.Errorf("err = %#v", err)
	}
}
