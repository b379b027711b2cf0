package auth

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

// A refusal is what the client must see, to the letter, and a part of what the operator must see.
type refusal struct {
	status      int
	code        string
	description string
	cause       string
}

const (
	malformed   = "The token is malformed. It must be a JSON Web Token signed with RS256."
	unsound     = "The token's signature or content is invalid."
	onlyOne     = "The Authorization header must hold one token and nothing else."
	foreignKey  = "The token is signed with a key that does not belong to this server's tenant."
	anotherAud  = "The token was issued for another audience."
	anotherIss  = "The token is from another issuer."
	anotherTid  = "The token is from another tenant."
	notAllowed  = "The token is valid, but this needs the app role Mcp.Invoke or Mcp.Admin, or the scope mcp.invoke."
	noTokenSent = "This server needs an access token: send the header Authorization: Bearer <token>."
)

func (want refusal) check(t *testing.T, got *http.Response, body, log string) {
	t.Helper()
	challenge := `resource_metadata="` + metadataURL + `", scope="` + identifier + `/mcp.invoke"`
	if want.code != "unauthorized" {
		challenge = `error="` + want.code + `", error_description="` + want.description + `", ` + challenge
	}
	challenge = "Bearer " + challenge
	if want.status == http.StatusServiceUnavailable {
		challenge = ""
	}
	if got.StatusCode != want.status {
		t.Errorf("status = %d, want %d", got.StatusCode, want.status)
	}
	if h := got.Header.Get("WWW-Authenticate"); h != challenge {
		t.Errorf("WWW-Authenticate = %s\nwant %s", h, challenge)
	}
	if got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header = %v", got.Header)
	}
	if wantBody := `{"error":"` + want.code + `","error_description":"` + want.description + `"}` + "\n"; body != wantBody {
		t.Errorf("body = %s\nwant %s", body, wantBody)
	}
	if !strings.Contains(log, want.cause) || want.cause == "" {
		t.Errorf("log = %s\nwant the cause %s", log, want.cause)
	}
	if strings.Count(log, "msg=denied") != 1 {
		t.Errorf("want one audit record, got %s", log)
	}
}

func badToken(description, cause string) refusal {
	return refusal{401, "invalid_token", description, cause}
}
func badRequest(description string) refusal {
	return refusal{400, "invalid_request", description, description}
}
func lacking(cause string) refusal { return refusal{403, "insufficient_scope", notAllowed, cause} }

func TestBadRequests(t *testing.T) {
	entra := newEntra()
	kid, key := entra.SigningKey()
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const noCause = "cause="

	// The columns: how the request is made, inside a bubble whose clock stands still, and what must come of it.
	mint := func(token entratest.Token) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return bearerOf(t, entra.Mint(token)) }
	}
	claim := func(name string, value any) func(*testing.T) *http.Request {
		return mint(entratest.Token{Claims: map[string]any{name: value}})
	}
	after := func(name string, offset time.Duration) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			return bearerOf(t, entra.Mint(entratest.Token{Claims: map[string]any{name: time.Now().Add(offset).Unix()}}))
		}
	}
	header := func(header string, sign func(string) []byte) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			return bearerOf(t, jws(header, toJSON(entra.Claims(entratest.Token{})), sign))
		}
	}
	payload := func(change func(string) string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			claims := toJSON(entra.Claims(entratest.Token{}))
			return bearerOf(t, jws(`{"alg":"RS256","kid":"`+kid+`"}`, change(claims), rs256(key)))
		}
	}
	// altered takes a good token apart; raw sends the text as it is.
	altered := func(change func(header, payload, signature string) string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			parts := strings.Split(entra.Mint(entratest.Token{}), ".")
			return bearerOf(t, change(parts[0], parts[1], parts[2]))
		}
	}
	raw := func(authorization func(good string) []string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			return request(t, authorization(entra.Mint(entratest.Token{}))...)
		}
	}
	one := func(authorization string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return request(t, authorization) }
	}
	query := func(query string, authorized bool) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			good := entra.Mint(entratest.Token{})
			r := request(t)
			if authorized {
				r = bearerOf(t, good)
			}
			r.URL.RawQuery = strings.ReplaceAll(query, "GOOD", good)
			return r
		}
	}
	fixed := func(signature string) func(string) []byte { return func(string) []byte { return []byte(signature) } }
	rs := `{"alg":"RS256","kid":"` + kid + `"`

	tests := []struct {
		name string
		make func(*testing.T) *http.Request
		want refusal
	}{
		// The header.
		{"no token", func(t *testing.T) *http.Request { return request(t) }, refusal{401, "unauthorized", noTokenSent, "no Authorization header"}},
		{"empty header", one(""), refusal{401, "unauthorized", noTokenSent, "not of the Bearer scheme"}},
		{"basic", one("Basic dXNlcjpwYXNz"), refusal{401, "unauthorized", noTokenSent, "not of the Bearer scheme"}},
		{"another scheme with a good token", raw(func(good string) []string { return []string{"Token " + good} }), refusal{401, "unauthorized", noTokenSent, "not of the Bearer scheme"}},
		{"tab for a space", raw(func(good string) []string { return []string{"Bearer\t" + good} }), refusal{401, "unauthorized", noTokenSent, "not of the Bearer scheme"}},
		{"the token alone", raw(func(good string) []string { return []string{good} }), refusal{401, "unauthorized", noTokenSent, "not of the Bearer scheme"}},
		{"scheme alone", one("Bearer"), badRequest("The Authorization header has no token behind Bearer.")},
		{"scheme and spaces", one("Bearer   "), badRequest("The Authorization header has no token behind Bearer.")},
		{"two words", raw(func(good string) []string { return []string{"Bearer " + good + " x"} }), badRequest(onlyOne)},
		{"joined headers", raw(func(good string) []string { return []string{"Bearer " + good + ",Bearer " + good} }), badRequest(onlyOne)},
		{"two good headers", raw(func(good string) []string { return []string{"Bearer " + good, "Bearer " + good} }), badRequest("Send one Authorization header only.")},
		{"two different headers", raw(func(good string) []string { return []string{"Basic eA==", "Bearer " + good} }), badRequest("Send one Authorization header only.")},
		{"token in the query", query("access_token=GOOD", false), badRequest("The token must be sent in the Authorization header, never in the address.")},
		{"token in the query too", query("a=b&access_token=GOOD", true), badRequest("The token must be sent in the Authorization header, never in the address.")},
		{"token in the query, name in disguise", query("access%5Ftoken=", true), badRequest("The token must be sent in the Authorization header, never in the address.")},

		// The outer form.
		{"garbage", one("Bearer abc"), badToken(malformed, "cannot be parsed")},
		{"dots", one("Bearer .."), badToken(malformed, "cannot be parsed")},
		{"two parts", altered(func(h, p, _ string) string { return h + "." + p }), badToken(malformed, "cannot be parsed")},
		{"four parts", altered(func(h, p, s string) string { return h + "." + p + "." + s + "." }), badToken(malformed, "cannot be parsed")},
		{"five parts", altered(func(h, p, s string) string { return h + "." + p + "." + s + "." + p + "." + s }), badToken(malformed, "cannot be parsed")},
		{"no signature", altered(func(h, p, _ string) string { return h + "." + p + "." }), badToken(unsound, "signature or claims")},
		{"truncated signature", altered(func(h, p, s string) string { return h + "." + p + "." + s[:len(s)-8] }), badToken(unsound, "signature or claims")},
		{"truncated payload", altered(func(h, p, s string) string { return h + "." + p[:len(p)-8] + "." + s }), badToken(unsound, "signature or claims")},
		{"no payload", altered(func(h, _, s string) string { return h + ".." + s }), badToken(unsound, "signature or claims")},
		{"64 KB", one("Bearer " + strings.Repeat("A", 64<<10)), badToken("The token is too long.", "the token has 65536 bytes, at most 16384 are read")},
		{"a byte too long", one("Bearer " + strings.Repeat("A", 16<<10+1)), badToken("The token is too long.", "16385 bytes")},
		{"as long as can be", one("Bearer " + strings.Repeat("A", 16<<10)), badToken(malformed, "cannot be parsed")},
		{"fullwidth letters", one("Bearer ｅｙＪｈ.ｅｙＪｈ.ｅｙＪｈ"), badToken(malformed, "cannot be parsed")},
		{"zero-width space", altered(func(h, p, s string) string { return h + ".\u200b" + p + "." + s }), badToken(malformed, "cannot be parsed")},
		{"control character", altered(func(h, p, s string) string { return h + ".\x00" + p + "." + s }), badToken(malformed, "cannot be parsed")},
		{"invalid UTF-8", altered(func(h, p, s string) string { return h + "." + p + "." + s + "\xff" }), badToken(malformed, "cannot be parsed")},
		{"padding", altered(func(h, p, s string) string { return h + "." + p + "." + s + "==" }), badToken(malformed, "cannot be parsed")},
		{"the other alphabet", altered(func(h, p, s string) string { return h + "." + p + "." + s[:8] + "+/" + s[10:] }), badToken(malformed, "cannot be parsed")},
		{"header is not JSON", header(`alg`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"header is an array", header(`["RS256"]`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"header is null", header(`null`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"header names alg twice", header(`{"alg":"none","alg":"RS256","kid":"`+kid+`"}`, rs256(key)), badToken(malformed, "cannot be parsed")},

		// Algorithms.
		{"alg none", header(`{"alg":"none","kid":"`+kid+`"}`, fixed("")), badToken(malformed, "unexpected signature algorithm")},
		{"alg nOnE", header(`{"alg":"nOnE","kid":"`+kid+`"}`, fixed("")), badToken(malformed, "unexpected signature algorithm")},
		{"alg missing", header(`{"kid":"`+kid+`"}`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"alg empty", header(`{"alg":"","kid":"`+kid+`"}`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"alg is a list", header(`{"alg":["RS256"],"kid":"`+kid+`"}`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"HS256 with the public key in PEM", header(`{"alg":"HS256","kid":"`+kid+`"}`, hs256(publicPEM(&key.PublicKey))), badToken(malformed, "unexpected signature algorithm")},
		{"HS256 with the modulus", header(`{"alg":"HS256","kid":"`+kid+`"}`, hs256(key.N.Bytes())), badToken(malformed, "unexpected signature algorithm")},
		{"RS512", header(`{"alg":"RS512","kid":"`+kid+`"}`, rs512(key)), badToken(malformed, "unexpected signature algorithm")},
		{"PS256", header(`{"alg":"PS256","kid":"`+kid+`"}`, ps256(key)), badToken(malformed, "unexpected signature algorithm")},
		{"ES256", header(`{"alg":"ES256","kid":"`+kid+`"}`, fixed(strings.Repeat("s", 64))), badToken(malformed, "unexpected signature algorithm")},
		{"PS256 under the name RS256", header(rs+`}`, ps256(key)), badToken(unsound, "signature or claims")},
		{"rs256 in lower case", header(`{"alg":"rs256","kid":"`+kid+`"}`, rs256(key)), badToken(malformed, "unexpected signature algorithm")},

		// Keys.
		{"no kid", header(`{"alg":"RS256"}`, rs256(key)), badToken("The token is malformed. It does not name its signing key.", "no kid")},
		{"empty kid", header(`{"alg":"RS256","kid":""}`, rs256(key)), badToken("The token is malformed. It does not name its signing key.", "no kid")},
		{"kid in the wrong case", header(`{"alg":"RS256","KID":"`+kid+`"}`, rs256(key)), badToken("The token is malformed. It does not name its signing key.", "no kid")},
		{"kid is a number", header(`{"alg":"RS256","kid":1}`, rs256(key)), badToken(malformed, "cannot be parsed")},
		{"unknown kid", header(`{"alg":"RS256","kid":"key-99"}`, rs256(key)), badToken(foreignKey, `kid is \"key-99\", known are [\"key-1\"]`)},
		{"kid is a path", header(`{"alg":"RS256","kid":"../key-1"}`, rs256(key)), badToken(foreignKey, "kid is")},
		{"kid is shouted", header(`{"alg":"RS256","kid":"`+strings.ToUpper(kid)+`"}`, rs256(key)), badToken(foreignKey, "kid is")},
		{"long kid", header(`{"alg":"RS256","kid":"`+strings.Repeat("k", 9000)+`"}`, rs256(key)), badToken(foreignKey, "kid is")},
		{"a stranger's key under a known kid", header(rs+`}`, rs256(stranger)), badToken(unsound, "signature or claims")},
		{"the stranger's key embedded", header(rs+`,"jwk":`+publicJWK(&stranger.PublicKey)+`}`, rs256(stranger)), badToken(unsound, "signature or claims")},
		{"the stranger's key embedded, no kid", header(`{"alg":"RS256","jwk":`+publicJWK(&stranger.PublicKey)+`}`, rs256(stranger)), badToken("The token is malformed. It does not name its signing key.", "no kid")},
		{"the stranger's key by address", header(rs+`,"jku":"https://evil.example.com/keys"}`, rs256(stranger)), badToken(unsound, "signature or claims")},
		{"critical extension", header(rs+`,"crit":["exp2"],"exp2":1}`, rs256(key)), badToken(unsound, "signature or claims")},

		// Signatures.
		{"one bit changed", altered(func(h, p, s string) string { return h + "." + p + "." + flip(s) }), badToken(unsound, "signature or claims")},
		{"no bit set", header(rs+`}`, fixed(strings.Repeat("\x00", 256))), badToken(unsound, "signature or claims")},
		{"another payload", altered(func(h, _, s string) string {
			return h + "." + encode(toJSON(entra.Claims(entratest.Token{Roles: []string{"Mcp.Admin"}}))) + "." + s
		}), badToken(unsound, "signature or claims")},

		// The payload.
		{"payload is not JSON", payload(func(string) string { return "claims" }), badToken(unsound, "signature or claims")},
		{"payload is an array", payload(func(c string) string { return "[" + c + "]" }), badToken(unsound, "signature or claims")},
		{"payload is null", payload(func(string) string { return "null" }), badToken(anotherTid, "tid is")},
		{"more behind the payload", payload(func(c string) string { return c + "{}" }), badToken(unsound, "signature or claims")},
		{"a claim twice", payload(func(c string) string { return `{"aud":"x",` + c[1:] }), badToken(unsound, "signature or claims")},
		{"roles is a string", claim("roles", "Mcp.Invoke"), badToken(unsound, "signature or claims")},

		// Tenant, issuer, audience.
		{"another tenant", claim("tid", "99999999-0000-4000-8000-000000000001"), badToken(anotherTid, `tid is \"99999999-0000-4000-8000-000000000001\", expected `+tenant)},
		{"no tenant", claim("tid", nil), badToken(anotherTid, "tid is")},
		{"tenant and a space", claim("tid", tenant+" "), badToken(anotherTid, "tid is")},
		{"tenant is a list", claim("tid", []string{tenant}), badToken(unsound, "signature or claims")},
		{"issuer with a suffix", claim("iss", entra.Issuer(2)+"/"), badToken(anotherIss, `iss is \"`+entra.Issuer(2)+`/\", expected one of`)},
		{"issuer with a suffix to its host", claim("iss", strings.Replace(entra.Issuer(2), ".com/", ".com.evil.example/", 1)), badToken(anotherIss, "iss is")},
		{"issuer without its slash", claim("iss", strings.TrimSuffix(entra.Issuer(1), "/")), badToken(anotherIss, "iss is")},
		{"issuer of another tenant", claim("iss", strings.ReplaceAll(entra.Issuer(2), tenant, "99999999-0000-4000-8000-000000000001")), badToken(anotherIss, "iss is")},
		{"no issuer", claim("iss", nil), badToken(anotherIss, "iss is")},
		{"issuer is a list", claim("iss", []string{entra.Issuer(2)}), badToken(unsound, "signature or claims")},
		{"another audience", claim("aud", "api://other"), badToken(anotherAud, `aud is \"api://other\", expected one of [\"`+audience+`\" \"`+identifier+`\"]`)},
		{"several other audiences", claim("aud", []string{"api://a", "api://b"}), badToken(anotherAud, `aud is \"api://a api://b\"`)},
		{"no audience in a list", claim("aud", []string{}), badToken(anotherAud, "aud is")},
		{"no audience", claim("aud", nil), badToken(anotherAud, "aud is")},
		{"audience with a suffix", claim("aud", identifier+"/mcp"), badToken(anotherAud, "aud is")},
		{"audience with a Cyrillic letter", claim("aud", strings.Replace(identifier, "a", "а", 1)), badToken(anotherAud, "aud is")},
		{"two audiences in one string", claim("aud", audience+" "+identifier), badToken(anotherAud, "aud is")},
		{"number among the audiences", claim("aud", []any{audience, 1}), badToken(unsound, "signature or claims")},
		{"audience is an object", claim("aud", map[string]string{audience: audience}), badToken(unsound, "signature or claims")},
		{"audience in the wrong case", payload(func(c string) string { return strings.Replace(c, `"aud"`, `"AUD"`, 1) }), badToken(anotherAud, "aud is")},

		// Time.
		{"expired", after("exp", -skew-time.Second), badToken("The token has expired.", "exp is 1999-12-31T23:58:59Z, now is 2000-01-01T00:00:00Z")},
		{"expired in 1970", claim("exp", 0), badToken("The token has expired.", "exp is 1970-01-01T00:00:00Z")},
		{"expired before time began", claim("exp", -1), badToken("The token has expired.", "exp is")},
		{"no expiry", claim("exp", nil), badToken("The token has no expiry.", "exp is missing")},
		{"expiry is a string", claim("exp", "4102444800"), badToken(unsound, "signature or claims")},
		{"expiry beyond numbers", claim("exp", 1e300), badToken(unsound, "signature or claims")},
		{"not yet valid", after("nbf", skew+time.Second), badToken("The token is not valid yet.", "nbf is 2000-01-01T00:01:01Z")},
		{"validity is a string", claim("nbf", "0"), badToken(unsound, "signature or claims")},
		{"issued in the future", after("iat", skew+time.Second), badToken("The token was issued in the future.", "iat is 2000-01-01T00:01:01Z")},

		// Whose it is, and what it may do.
		{"ID token", claim("azp", nil), badToken("The token is not an access token.", "neither azp nor appid")},
		{"nobody's", mint(entratest.Token{Claims: map[string]any{"oid": nil, "sub": nil}}), badToken("The token does not say who it is for.", "neither oid nor sub")},
		{"no role, no scope", claim("roles", nil), lacking("roles are [] and scopes []")},
		{"another role", claim("roles", []string{"Mcp.Read"}), lacking(`roles are [\"Mcp.Read\"] and scopes []`)},
		{"role in the wrong case", claim("roles", []string{"mcp.invoke"}), lacking("roles are")},
		{"role as a scope", mint(entratest.Token{User: "u", Scopes: []string{"Mcp.Invoke"}}), lacking(`scopes [\"Mcp.Invoke\"]`)},
		{"another scope", mint(entratest.Token{User: "u", Scopes: []string{"mcp.read", "mcp.invoke.all"}}), lacking(noCause)},
		{"required scope beside a comma", mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke,"}}), lacking(noCause)},
	}
	if len(tests) < 50 {
		t.Fatalf("only %d bad requests", len(tests))
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, log := newVerifier(t, entra)
				loadKeys(t, v)
				r := test.make(t)
				authorization := strings.Join(r.Header["Authorization"], " ")
				recorder := httptest.NewRecorder()
				v.Middleware(unreachable(t)).ServeHTTP(recorder, r)
				test.want.check(t, recorder.Result(), recorder.Body.String(), log.String())
				for part := range strings.FieldsFuncSeq(authorization, func(c rune) bool { return strings.ContainsRune(" .,", c) }) {
					if len(part) > 40 && (strings.Contains(log.String(), part) || strings.Contains(recorder.Body.String(), part)) {
						t.Errorf("a part of the token is shown: %s", log)
					}
				}
			})
		})
	}
}

func unreachable(t *testing.T) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") })
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func rs512(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha512.Sum512([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, sum[:])
		if err != nil {
			panic(err)
		}
		return signature
	}
}

func ps256(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
		if err != nil {
			panic(err)
		}
		return signature
	}
}

func publicPEM(key *rsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func publicJWK(key *rsa.PublicKey) string {
	return `{"kty":"RSA","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(key.N.Bytes()) + `"}`
}

// flip changes one bit in the middle of base64 text.
func flip(text string) string {
	bytes, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	bytes[len(bytes)/2] ^= 1
	return encode(string(bytes))
}
