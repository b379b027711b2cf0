package entratest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/prynai/prynai-mcp/server/entratest"
)

// fetch gives the status and the JSON of an answer.
func fetch(t *testing.T, into any, send func() (*http.Response, error)) int {
	t.Helper()
	response, err := send()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return response.StatusCode
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	if status := fetch(t, into, func() (*http.Response, error) { return http.Get(url) }); status != http.StatusOK {
		t.Fatalf("GET %s: %d", url, status)
	}
}

func post(t *testing.T, endpoint string, form url.Values) (status int, body map[string]any) {
	t.Helper()
	status = fetch(t, &body, func() (*http.Response, error) { return http.PostForm(endpoint, form) })
	return status, body
}

// A client goes the way of azidentity: v2 discovery, token endpoint; a server the way of the keys.
func TestClientAndServerMeet(t *testing.T) {
	for _, version := range []int{1, 2} {
		entra := entratest.Start(t, entratest.Options{TokenVersion: version})
		o := entra.Options()

		var client struct {
			Issuer                string
			TokenEndpoint         string `json:"token_endpoint"`
			AuthorizationEndpoint string `json:"authorization_endpoint"`
		}
		getJSON(t, o.Authority+"/"+o.Tenant+"/v2.0/.well-known/openid-configuration", &client)
		if !strings.HasPrefix(client.Issuer, o.Authority+"/") || client.AuthorizationEndpoint == "" {
			t.Errorf("MSAL would refuse this issuer or the lack of an authorization endpoint: %+v", client)
		}
		status, body := post(t, client.TokenEndpoint, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {entratest.DefaultClientID}, "client_secret": {entratest.DefaultClientSecret},
			"scope": {o.ServerAppIDURI + "/.default openid offline_access profile"},
		})
		raw, _ := body["access_token"].(string)
		if status != http.StatusOK || body["token_type"] != "Bearer" || body["expires_in"] != 3599.0 {
			t.Fatalf("token: %d %v", status, body)
		}

		var server struct {
			Issuer  string
			JWKSURI string `json:"jwks_uri"`
		}
		path := map[int]string{1: "", 2: "/v2.0"}[version]
		getJSON(t, o.Authority+"/"+o.Tenant+path+"/.well-known/openid-configuration", &server)
		var keys jose.JSONWebKeySet
		getJSON(t, server.JWKSURI, &keys)
		token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			jwt.Claims
			Tenant string   `json:"tid"`
			Roles  []string `json:"roles"`
		}
		if err := token.Claims(keys, &claims); err != nil {
			t.Fatal(err)
		}
		audience := map[int]string{1: o.ServerAppIDURI, 2: o.ServerAppID}[version]
		if claims.Issuer != server.Issuer || !claims.Audience.Contains(audience) || claims.Tenant != o.Tenant || len(claims.Roles) != 1 || claims.Roles[0] != entratest.DefaultRole {
			t.Errorf("version %d: %+v", version, claims)
		}
		if got := entra.Fetches(); got != (entratest.Fetches{Discovery: 2, Keys: 1, Tokens: 1}) {
			t.Errorf("Fetches = %+v", got)
		}
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	o := entra.Options()
	for _, test := range []struct {
		field, value string
		status       int
		code, aadsts string
	}{
		{"client_secret", "wrong", 401, "invalid_client", "AADSTS7000215: "},
		{"client_secret", "", 401, "invalid_client", "AADSTS7000218: "},
		{"client_id", "40000000-0000-4000-8000-000000000004", 400, "unauthorized_client", "AADSTS700016: "},
		{"scope", "api://other/.default", 400, "invalid_resource", "AADSTS500011: "},
		{"scope", o.ServerAppIDURI + "/mcp.invoke", 400, "invalid_scope", "AADSTS1002012: "},
		{"scope", "", 400, "invalid_request", "AADSTS900144: "},
		{"grant_type", "password", 400, "unsupported_grant_type", "AADSTS70003: "},
		{"tenant", "contoso", 400, "invalid_request", "AADSTS90002: "},
	} {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {entratest.DefaultClientID}, "client_secret": {entratest.DefaultClientSecret},
			"scope": {o.ServerAppIDURI + "/.default"}, "tenant": {o.Tenant},
		}
		form.Set(test.field, test.value)
		status, body := post(t, o.Authority+"/"+form.Get("tenant")+"/oauth2/v2.0/token", form)
		description, _ := body["error_description"].(string)
		if status != test.status || body["error"] != test.code || !strings.HasPrefix(description, test.aadsts) {
			t.Errorf("%s=%s: %d %v", test.field, test.value, status, body)
		}
		if strings.Contains(description, entratest.DefaultClientSecret) {
			t.Errorf("%s=%s: the secret is in %q", test.field, test.value, description)
		}
	}
}

func TestRotation(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	o := entra.Options()
	published := func() (ids []string) {
		var set jose.JSONWebKeySet
		getJSON(t, o.Authority+"/"+o.Tenant+"/discovery/v2.0/keys", &set)
		for _, key := range set.Keys {
			ids = append(ids, key.KeyID)
			if !key.IsPublic() {
				t.Errorf("%s is published with its private half", key.KeyID)
			}
		}
		return ids
	}
	first, _ := entra.SigningKey()
	entra.Rotate()
	second, _ := entra.SigningKey()
	if got := published(); !slices.Equal(got, []string{first, second}) || first == second {
		t.Errorf("after Rotate: %q", got)
	}
	entra.Retire()
	if got := published(); !slices.Equal(got, []string{second}) {
		t.Errorf("after Retire: %q", got)
	}
}

func TestMintedClaims(t *testing.T) {
	entra := entratest.New(entratest.Options{Authority: "https://127.0.0.1:8443"})
	claims := entra.Claims(entratest.Token{User: "user-1", Scopes: []string{"a", "b"}, Claims: map[string]any{"nbf": nil, "aud": "x"}})
	if _, found := claims["nbf"]; found || claims["aud"] != "x" || claims["scp"] != "a b" || claims["oid"] != "user-1" || claims["roles"] != nil {
		t.Errorf("user's token: %v", claims)
	}
	claims = entra.Claims(entratest.Token{})
	if claims["scp"] != nil || claims["oid"] != claims["sub"] || claims["azp"] != entratest.DefaultClientID {
		t.Errorf("app's token: %v", claims)
	}
}

func TestAway(t *testing.T) {
	entra := entratest.New(entratest.Options{})
	for _, away := range []bool{true, false} {
		entra.SetAway(away)
		recorder := httptest.NewRecorder()
		entra.ServeHTTP(recorder, httptest.NewRequest("GET", "/"+entratest.DefaultTenant+"/discovery/keys", nil))
		if got := recorder.Code == http.StatusServiceUnavailable; got != away {
			t.Errorf("away %v: status %d", away, recorder.Code)
		}
	}
}
