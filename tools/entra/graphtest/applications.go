package graphtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// application has Graph's properties in Graph's words, not the client's: a
// misspelt one in the client is then refused. A nil pointer in an update leaves
// a property as it is.
type application struct {
	ID                     string           `json:"id"`
	AppID                  string           `json:"appId"`
	UniqueName             string           `json:"uniqueName"`
	CreatedDateTime        time.Time        `json:"createdDateTime"`
	DisplayName            *string          `json:"displayName"`
	SignInAudience         *string          `json:"signInAudience"`
	IdentifierURIs         []string         `json:"identifierUris"`
	API                    *api             `json:"api"`
	AppRoles               []appRole        `json:"appRoles"`
	RequiredResourceAccess []resourceAccess `json:"requiredResourceAccess"`
	PublicClient           *redirects       `json:"publicClient"`
	PasswordCredentials    []password       `json:"passwordCredentials"`

	rolesChanged time.Time
}

type api struct {
	AcceptMappedClaims          *bool           `json:"acceptMappedClaims"`
	KnownClientApplications     []string        `json:"knownClientApplications"`
	OAuth2PermissionScopes      []scope         `json:"oauth2PermissionScopes"`
	PreAuthorizedApplications   []preAuthorized `json:"preAuthorizedApplications"`
	RequestedAccessTokenVersion *int            `json:"requestedAccessTokenVersion"`
}

type scope struct {
	AdminConsentDescription string `json:"adminConsentDescription"`
	AdminConsentDisplayName string `json:"adminConsentDisplayName"`
	ID                      string `json:"id"`
	IsEnabled               bool   `json:"isEnabled"`
	Type                    string `json:"type"`
	UserConsentDescription  string `json:"userConsentDescription"`
	UserConsentDisplayName  string `json:"userConsentDisplayName"`
	Value                   string `json:"value"`
}

type appRole struct {
	AllowedMemberTypes []string `json:"allowedMemberTypes"`
	Description        string   `json:"description"`
	DisplayName        string   `json:"displayName"`
	ID                 string   `json:"id"`
	IsEnabled          bool     `json:"isEnabled"`
	Value              string   `json:"value"`
}

type preAuthorized struct {
	AppID                  string   `json:"appId"`
	DelegatedPermissionIDs []string `json:"delegatedPermissionIds"`
}

type resourceAccess struct {
	ResourceAppID  string `json:"resourceAppId"`
	ResourceAccess []struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"resourceAccess"`
}

type redirects struct {
	RedirectURIs []string `json:"redirectUris"`
}

type password struct {
	DisplayName string    `json:"displayName"`
	EndDateTime time.Time `json:"endDateTime"`
	Hint        string    `json:"hint"`
	KeyID       string    `json:"keyId"`
	SecretText  *string   `json:"secretText"`
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// App is the JSON of an application, "" where there is none.
func (d *Directory) App(uniqueName string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if app := d.find(func(a *application) bool { return a.UniqueName == uniqueName }); app != nil {
		text, err := json.MarshalIndent(app, "", "  ")
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	return ""
}

// Edit gives an application properties, as somebody in the portal would.
func (d *Directory) Edit(uniqueName, properties string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	app := d.find(func(a *application) bool { return a.UniqueName == uniqueName })
	if err := json.Unmarshal([]byte(properties), app); err != nil {
		panic(err)
	}
}

// Delete deletes an application as Entra does: its unique name stays taken.
func (d *Directory) Delete(uniqueName string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apps = slices.DeleteFunc(d.apps, func(a *application) bool { return a.UniqueName == uniqueName })
	d.deleted[uniqueName] = true
}

func (d *Directory) find(is func(*application) bool) *application {
	if at := slices.IndexFunc(d.apps, is); at >= 0 {
		return d.apps[at]
	}
	return nil
}

// seen finds an application that requests know by now.
func (d *Directory) seen(is func(*application) bool) *application {
	return d.find(func(a *application) bool { return is(a) && d.visible(a.CreatedDateTime) })
}

func (d *Directory) getApplication(_ *http.Request, name string) reply {
	if app := d.seen(func(a *application) bool { return a.UniqueName == name }); app != nil {
		return reply{http.StatusOK, app}
	}
	return notFound
}

func (d *Directory) upsertApplication(r *http.Request, name string) reply {
	var given application
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	existing := d.find(func(a *application) bool { return a.UniqueName == name })
	switch {
	case existing != nil:
		return d.update(existing, given)
	case r.Header.Get("Prefer") != "create-if-missing":
		return notFound
	case d.deleted[name]:
		return badRequest("Another object with the same value for property uniqueName already exists.")
	case given.DisplayName == nil:
		return badRequest("displayName is required")
	}
	app := &application{ID: d.id(), AppID: d.id(), UniqueName: name, CreatedDateTime: time.Now(), API: &api{}, PublicClient: &redirects{}}
	if answer := d.update(app, given); answer.status != http.StatusNoContent {
		return answer
	}
	d.apps = append(d.apps, app)
	return reply{http.StatusCreated, app}
}

func (d *Directory) patchApplication(r *http.Request, id string) reply {
	app := d.seen(func(a *application) bool { return a.ID == id })
	if app == nil {
		return notFound
	}
	var given application
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	return d.update(app, given)
}

func (d *Directory) update(app *application, given application) reply {
	if problem := check(app, given); problem != "" {
		return badRequest(problem)
	}
	assign(&app.DisplayName, given.DisplayName)
	assign(&app.SignInAudience, given.SignInAudience)
	replace(&app.IdentifierURIs, given.IdentifierURIs)
	replace(&app.RequiredResourceAccess, given.RequiredResourceAccess)
	assign(&app.PublicClient, given.PublicClient)
	if given.AppRoles != nil {
		app.AppRoles, app.rolesChanged = given.AppRoles, time.Now()
	}
	if given.API != nil {
		replace(&app.API.OAuth2PermissionScopes, given.API.OAuth2PermissionScopes)
		replace(&app.API.PreAuthorizedApplications, given.API.PreAuthorizedApplications)
		replace(&app.API.KnownClientApplications, given.API.KnownClientApplications)
		assign(&app.API.AcceptMappedClaims, given.API.AcceptMappedClaims)
		assign(&app.API.RequestedAccessTokenVersion, given.API.RequestedAccessTokenVersion)
	}
	return reply{status: http.StatusNoContent}
}

func assign[T any](to **T, value *T) {
	if value != nil {
		*to = value
	}
}

func replace[T any](to *[]T, values []T) {
	if values != nil {
		*to = values
	}
}

// check tells why Graph would refuse an update.
func check(app *application, given application) string {
	if given.ID+given.AppID+given.UniqueName != "" || given.PasswordCredentials != nil {
		return "read-only properties"
	}
	for _, uri := range given.IdentifierURIs {
		if uri != "api://"+app.AppID && !strings.HasPrefix(uri, "https://contoso.example/") {
			return "HostNameNotOnVerifiedDomain: " + uri
		}
	}
	for _, access := range given.RequiredResourceAccess {
		if !guid.MatchString(access.ResourceAppID) {
			return fmt.Sprintf("Invalid resourceAppId %q", access.ResourceAppID)
		}
	}
	if given.AppRoles != nil {
		for _, old := range app.AppRoles {
			if old.IsEnabled && !slices.ContainsFunc(given.AppRoles, func(r appRole) bool { return r.ID == old.ID }) {
				return "Permission (scope or role) cannot be deleted or updated unless disabled first."
			}
		}
		for _, role := range given.AppRoles {
			if !guid.MatchString(role.ID) || role.DisplayName == "" || role.Description == "" || len(role.AllowedMemberTypes) == 0 {
				return "Invalid app role " + role.Value
			}
		}
	}
	if given.API == nil {
		return ""
	}
	return checkAPI(app.API, given.API)
}

func checkAPI(old, given *api) string {
	if given.OAuth2PermissionScopes != nil {
		for _, s := range old.OAuth2PermissionScopes {
			if s.IsEnabled && !slices.ContainsFunc(given.OAuth2PermissionScopes, func(g scope) bool { return g.ID == s.ID }) {
				return "Permission (scope or role) cannot be deleted or updated unless disabled first."
			}
		}
		for _, s := range given.OAuth2PermissionScopes {
			if !guid.MatchString(s.ID) || s.AdminConsentDescription == "" || s.AdminConsentDisplayName == "" {
				return "Invalid scope " + s.Value
			}
		}
	}
	for _, client := range given.PreAuthorizedApplications {
		for _, id := range client.DelegatedPermissionIDs {
			if !slices.ContainsFunc(old.OAuth2PermissionScopes, func(s scope) bool { return s.ID == id }) {
				return "Property api.preAuthorizedApplications.delegatedPermissionIds has a Permission Id that cannot be found in the AppPermissions sets."
			}
		}
	}
	return ""
}

func (d *Directory) addPassword(r *http.Request, id string) reply {
	app := d.seen(func(a *application) bool { return a.ID == id })
	if app == nil {
		return notFound
	}
	var given struct {
		PasswordCredential struct {
			DisplayName string    `json:"displayName"`
			EndDateTime time.Time `json:"endDateTime"`
		} `json:"passwordCredential"`
	}
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	text := fmt.Sprintf("%dXz~the.secret_of-the~test", len(d.secrets))
	d.secrets = append(d.secrets, text)
	made := password{
		DisplayName: given.PasswordCredential.DisplayName, EndDateTime: given.PasswordCredential.EndDateTime,
		Hint: text[:3], KeyID: d.id(),
	}
	app.PasswordCredentials = append(app.PasswordCredentials, made)
	made.SecretText = &text
	return reply{http.StatusOK, made}
}
