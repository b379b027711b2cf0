package graph

import (
	"fmt"
	"io"
	"time"
)

// Application is an app registration: ID is its object's id, AppID what clients
// and tokens call it (client id, audience).
type Application struct {
	ID                  string       `json:"id"`
	AppID               string       `json:"appId"`
	DisplayName         string       `json:"displayName"`
	CreatedDateTime     time.Time    `json:"createdDateTime"`
	PasswordCredentials []Credential `json:"passwordCredentials"`
	ApplicationSettings
}

// ApplicationSettings are the properties of an application that are changed
// here. An update leaves out what is empty, so that it stays as it is: nothing
// is ever removed. Graph replaces lists whole: an update must carry what was read.
type ApplicationSettings struct {
	IdentifierURIs         []string         `json:"identifierUris,omitempty"`
	API                    API              `json:"api,omitzero"`
	AppRoles               []AppRole        `json:"appRoles,omitempty"`
	RequiredResourceAccess []ResourceAccess `json:"requiredResourceAccess,omitempty"`
	PublicClient           RedirectURIs     `json:"publicClient,omitzero"`
}

// API is what an application offers to others.
type API struct {
	AcceptMappedClaims          *bool           `json:"acceptMappedClaims,omitempty"`
	KnownClientApplications     []string        `json:"knownClientApplications,omitempty"`
	Scopes                      []Scope         `json:"oauth2PermissionScopes,omitempty"`
	PreAuthorizedApplications   []PreAuthorized `json:"preAuthorizedApplications,omitempty"`
	RequestedAccessTokenVersion *int            `json:"requestedAccessTokenVersion,omitempty"`
}

// IsZero lets an update leave an API out that has nothing to say.
func (a API) IsZero() bool {
	return a.AcceptMappedClaims == nil && a.RequestedAccessTokenVersion == nil &&
		len(a.KnownClientApplications)+len(a.Scopes)+len(a.PreAuthorizedApplications) == 0
}

// Scope is a delegated permission: what a client may do in a user's name.
type Scope struct {
	ID                      string `json:"id"`
	Value                   string `json:"value"`
	Type                    string `json:"type"` // User: users may consent for themselves
	IsEnabled               bool   `json:"isEnabled"`
	AdminConsentDisplayName string `json:"adminConsentDisplayName"`
	AdminConsentDescription string `json:"adminConsentDescription"`
	UserConsentDisplayName  string `json:"userConsentDisplayName,omitempty"`
	UserConsentDescription  string `json:"userConsentDescription,omitempty"`
}

// AppRole is a permission that applications, users or groups are assigned.
type AppRole struct {
	ID                 string   `json:"id"`
	Value              string   `json:"value"`
	DisplayName        string   `json:"displayName"`
	Description        string   `json:"description"`
	AllowedMemberTypes []string `json:"allowedMemberTypes"`
	IsEnabled          bool     `json:"isEnabled"`
}

// PreAuthorized is a client for which users are not asked for consent.
type PreAuthorized struct {
	AppID                  string   `json:"appId"`
	DelegatedPermissionIDs []string `json:"delegatedPermissionIds"`
}

// ResourceAccess lists what an application asks of another, by its AppID.
type ResourceAccess struct {
	ResourceAppID string       `json:"resourceAppId"`
	Access        []Permission `json:"resourceAccess"`
}

// Permission names an app role ("Role") or a delegated scope ("Scope").
type Permission struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// RedirectURIs are where Entra may send users back to after they signed in.
type RedirectURIs struct {
	RedirectURIs []string `json:"redirectUris,omitempty"`
}

// IsZero lets an update leave them out.
func (r RedirectURIs) IsZero() bool { return len(r.RedirectURIs) == 0 }

// ServicePrincipal is what an application is in one tenant: what permissions
// are granted to, and by.
type ServicePrincipal struct {
	ID          string `json:"id"`
	AppID       string `json:"appId"`
	DisplayName string `json:"displayName"`
}

// Credential is a client secret. SecretText is there only when it was just
// made; later Graph tells no more than its first three letters.
type Credential struct {
	KeyID       string    `json:"keyId"`
	Hint        string    `json:"hint"`
	EndDateTime time.Time `json:"endDateTime"`
	SecretText  Secret    `json:"secretText"`
}

// Secret is text that prints as redacted. string(s) is the secret itself.
type Secret string

// Format redacts the secret under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// MarshalText redacts the secret in JSON and logs.
func (Secret) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

// UnmarshalText keeps what was read, which MarshalText would not give back.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// Tenant is the directory that the credential signed in to.
type Tenant struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// assignment is an app role, granted.
type assignment struct {
	PrincipalID string `json:"principalId"`
	ResourceID  string `json:"resourceId"`
	AppRoleID   string `json:"appRoleId"`
}

// consent is delegated scopes, granted for all users of the tenant.
type consent struct {
	ID          string `json:"id,omitempty"`
	ClientID    string `json:"clientId,omitempty"`
	ConsentType string `json:"consentType,omitempty"`
	ResourceID  string `json:"resourceId,omitempty"`
	Scope       string `json:"scope"`
}

// list is a page of Graph's. No list that is asked for here can fill one: each
// is filtered down to what two applications have with each other.
type list[T any] struct {
	Value []T `json:"value"`
}
