package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Entra issues tokens to the one client that it knows.
type Entra struct {
	faults
	URL string
	CA  string
}

// NewEntra starts an Entra that lives as long as the test.
func NewEntra(t Test) *Entra {
	e := &Entra{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", e.discovery)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.issue)
	server := startTLS(mux, func(url string) { e.URL = url })
	t.Cleanup(server.Close)
	e.CA = certificatePEM(server)
	return e
}

func (e *Entra) discovery(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	if tenant != TenantID {
		refuse(w, "invalid_tenant", "AADSTS90002: Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID.\r\nTrace ID: x")
		return
	}
	base := e.URL + "/" + tenant
	issuer := base + "/v2.0"
	if e.broken("foreign-issuer") {
		issuer = "https://elsewhere.example/" + tenant + "/v2.0"
	}
	reply(w, http.StatusOK, map[string]any{
		"issuer":                 issuer,
		"authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"token_endpoint":         base + "/oauth2/v2.0/token",
		"jwks_uri":               base + "/discovery/v2.0/keys",
	})
}

func (e *Entra) issue(w http.ResponseWriter, r *http.Request) {
	resource, isDefault := strings.CutSuffix(firstScope(r.FormValue("scope")), "/.default")
	switch {
	case e.broken("expired-secret"):
		refuse(w, "invalid_client", "AADSTS7000222: The provided client secret keys for app are expired.")
	case e.broken("unavailable"):
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.FormValue("client_id") != ClientID:
		refuse(w, "unauthorized_client", "AADSTS700016: Application with identifier '"+r.FormValue("client_id")+"' was not found in the directory.")
	case r.FormValue("client_secret") != ClientSecret:
		// Real ones do not echo the secret. A far side that does must not
		// get it printed.
		refuse(w, "invalid_client", "AADSTS7000215: Invalid client secret provided: "+r.FormValue("client_secret"))
	case !isDefault || resource != "api://"+ServerAppID:
		refuse(w, "invalid_resource", "AADSTS500011: The resource principal named "+resource+" was not found in the tenant.")
	default:
		e.token(w)
	}
}

func (e *Entra) token(w http.ResponseWriter) {
	now := time.Now()
	claims := jwt.MapClaims{
		"aud": ServerAppID, "iss": e.URL + "/" + TenantID + "/v2.0", "tid": TenantID, "azp": ClientID, "oid": ClientID,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "roles": []string{Role},
	}
	if e.broken("no-role") {
		delete(claims, "roles")
	}
	if e.broken("other-audience") {
		claims["aud"] = "44444444-4444-4444-4444-444444444444"
	}
	if e.broken("other-tenant") {
		claims["tid"] = "55555555-5555-5555-5555-555555555555"
	}
	if e.broken("expired") {
		claims["exp"] = now.Add(-time.Hour).Unix()
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(signingKey)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": signed})
}

// firstScope drops the scopes that the identity library adds on its own.
func firstScope(scopes string) string {
	for _, scope := range strings.Fields(scopes) {
		if strings.Contains(scope, "/") {
			return scope
		}
	}
	return ""
}

func refuse(w http.ResponseWriter, code, description string) {
	reply(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description})
}

func reply(w http.ResponseWriter, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("stand-in: %v", err)) // a document of this package's own
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
