package entra_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/standin"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// withoutCredentials makes sure that nothing of this machine's own is found.
func withoutCredentials(t *testing.T) {
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_PASSWORD",
		"AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT",
		"PATH", // no Azure CLI
	} {
		t.Setenv(name, "") // to have it restored
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func setup(t *testing.T, secret string) (*standin.Entra, settings.Settings, http.RoundTripper) {
	withoutCredentials(t)
	e := standin.NewEntra(t)
	env := map[string]string{"ENTRA_AUTHORITY": e.URL, "TLS_CA": e.CA, "ENTRA_TENANT_ID": standin.TenantID,
		"ENTRA_CLIENT_ID": standin.ClientID, "ENTRA_CLIENT_SECRET": secret, "SERVER_APP_ID": standin.ServerAppID}
	s, err := settings.Parse(func(name string) string { return env[name] }, settings.Need{Token: true})
	if err != nil {
		t.Fatal(err)
	}
	tr := wire.NewTransport(s.Roots)
	t.Cleanup(tr.CloseIdleConnections)
	return e, s, tr
}

func TestClientSecret(t *testing.T) {
	_, s, rt := setup(t, standin.ClientSecret)
	token, err := entra.Fetch(t.Context(), s, rt)
	if err != nil {
		t.Fatal(err)
	}
	if token.Credential != "client secret" || token.Claims.TenantID != standin.TenantID || token.Claims.Client != standin.ClientID || time.Until(token.Expires) < 50*time.Minute {
		t.Errorf("%+v", token)
	}
}

// TestEnvironmentComesFirst: AZURE_ variables are used where the settings have
// no secret, and their refusal is final.
func TestEnvironmentComesFirst(t *testing.T) {
	_, s, rt := setup(t, "")
	t.Setenv("AZURE_TENANT_ID", standin.TenantID)
	t.Setenv("AZURE_CLIENT_ID", standin.ClientID)
	t.Setenv("AZURE_CLIENT_SECRET", standin.ClientSecret)
	token, err := entra.Fetch(t.Context(), s, rt)
	if err != nil || token.Credential != "AZURE_ variables" {
		t.Fatalf("%+v, %v", token, err)
	}
	t.Setenv("AZURE_CLIENT_SECRET", "wrong")
	_, err = entra.Fetch(t.Context(), s, rt)
	var failed *entra.Error
	if !errors.As(err, &failed) || failed.Credential != "AZURE_ variables" || failed.Code != "AADSTS7000215" {
		t.Errorf("%v", err)
	}
}

func TestManagedIdentity(t *testing.T) {
	_, s, rt := setup(t, "")
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": "x"}).SignedString([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	s.Resource = "api://" + rand.Text() // never asked for before: the library keeps these tokens for the whole process
	var asked string
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("resource")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"` + raw + `","token_type":"Bearer","resource":"x","expires_on":"` +
			strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10) + `"}`))
	}))
	t.Cleanup(endpoint.Close)
	t.Setenv("IDENTITY_ENDPOINT", endpoint.URL)
	t.Setenv("IDENTITY_HEADER", "x")
	token, err := entra.Fetch(t.Context(), s, rt)
	if err != nil || token.Credential != "managed identity" || asked != s.Resource {
		t.Errorf("%+v, %v; asked for %q", token, err, asked)
	}
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("network is unreachable")
}

func TestNoCredentialNamesEachThatWasTried(t *testing.T) {
	_, s, _ := setup(t, "")
	_, err := entra.Fetch(t.Context(), s, unreachable{})
	var failed *entra.Error
	if !errors.As(err, &failed) || failed.Credential != "none" {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"AZURE_ variables: ", "workload identity: ", "managed identity: 169.254.169.254: network is unreachable", "Azure CLI: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// TestUnreachableIsNotAbsent: a credential that is there and cannot reach Entra
// is the problem to report, not a reason to look for others.
func TestUnreachableIsNotAbsent(t *testing.T) {
	_, s, _ := setup(t, "")
	t.Setenv("AZURE_TENANT_ID", standin.TenantID)
	t.Setenv("AZURE_CLIENT_ID", standin.ClientID)
	t.Setenv("AZURE_CLIENT_SECRET", standin.ClientSecret)
	_, err := entra.Fetch(t.Context(), s, unreachable{})
	var failed *entra.Error
	if !errors.As(err, &failed) || failed.Credential != "AZURE_ variables" || failed.Cause == nil {
		t.Errorf("%v", err)
	}
}

func TestReadClaims(t *testing.T) {
	if _, err := entra.ReadClaims("not-a-token"); err == nil || strings.Contains(err.Error(), "not-a-token") {
		t.Errorf("%v", err)
	}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": []string{"a", "b"}, "appid": "v1-client", "scp": "mcp.invoke", "exp": 1893456000}).SignedString([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := entra.ReadClaims(raw)
	if err != nil || len(c.Audience) != 2 || c.Client != "v1-client" || c.Scopes != "mcp.invoke" || c.Expires.Year() != 2030 {
		t.Errorf("%+v, %v", c, err)
	}
}
