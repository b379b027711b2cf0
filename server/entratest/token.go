package entratest

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// failure is an error of the token endpoint: what OAuth says, and Entra's own number and text.
type failure struct {
	status int
	code   string
	number int
	text   string
}

func unknownTenant(name string) *failure {
	return &failure{http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", name)}
}

// token answers the client-credentials grant.
func (e *Entra) token(w http.ResponseWriter, r *http.Request) {
	client, failed := e.authorize(r)
	if failed != nil {
		e.refuse(w, failed)
		return
	}
	const lifetime = time.Hour
	reply(w, http.StatusOK, map[string]any{
		"token_type":     "Bearer",
		"expires_in":     int(lifetime.Seconds()) - 1,
		"ext_expires_in": int(lifetime.Seconds()) - 1,
		"access_token":   e.Mint(Token{Client: client, Lifetime: lifetime}),
	})
}

// authorize checks the request in the order in which Entra does, and gives the client's id.
func (e *Entra) authorize(r *http.Request) (string, *failure) {
	o := e.Options()
	if tenant := r.PathValue("tenant"); tenant != o.Tenant {
		return "", unknownTenant(tenant)
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return "", &failure{http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read."}
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		return "", &failure{http.StatusBadRequest, "unsupported_grant_type", 70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", grant)}
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		id, secret = user, password
	}
	var app *App
	for i := range o.Apps {
		if strings.EqualFold(o.Apps[i].ID, id) {
			app = &o.Apps[i]
		}
	}
	if app == nil {
		return "", &failure{http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", id, o.Tenant)}
	}
	if secret == "" {
		return "", &failure{http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."}
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(app.Secret)) != 1 {
		return "", &failure{http.StatusUnauthorized, "invalid_client", 7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ID)}
	}
	return app.ID, o.checkScope(r.PostForm.Get("scope"))
}

// checkScope takes <resource>/.default; MSAL adds OpenID's own scopes, which mean nothing for an app.
func (o Options) checkScope(scope string) *failure {
	var resource string
	for name := range strings.FieldsSeq(scope) {
		switch name {
		case "openid", "profile", "offline_access":
			continue
		}
		var found bool
		if resource, found = strings.CutSuffix(name, "/.default"); !found {
			return &failure{http.StatusBadRequest, "invalid_scope", 1002012, fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)}
		}
	}
	if resource == "" {
		return &failure{http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'scope'."}
	}
	if resource != o.ServerAppIDURI && resource != o.ServerAppID {
		return &failure{http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.", resource, o.Tenant)}
	}
	return nil
}

// refuse answers in the form of Entra's errors, which azidentity passes on to people.
func (e *Entra) refuse(w http.ResponseWriter, f *failure) {
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	trace, correlation := rand.Text(), rand.Text()
	reply(w, f.status, map[string]any{
		"error":             f.code,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", f.number, f.text, trace, correlation, now),
		"error_codes":       []int{f.number},
		"timestamp":         now,
		"trace_id":          trace,
		"correlation_id":    correlation,
		"error_uri":         fmt.Sprintf("%s/error?code=%d", e.Options().Authority, f.number),
	})
}
