package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const (
	appAdministrators = "Cloud Application Administrator or Application Administrator"
	appDevelopers     = "Application Developer (for apps of one's own), " + appAdministrators
)

var (
	readTenant      = operation{"read which tenant this is", "Organization.Read.All", "any"}
	readApp         = operation{"read the app registrations", "Application.Read.All", "any, unless the tenant keeps its members from reading"}
	createApp       = operation{"register an app", "Application.ReadWrite.All", appDevelopers}
	updateApp       = operation{"change an app registration", "Application.ReadWrite.All", appDevelopers}
	addSecret       = operation{"add a client secret", "Application.ReadWrite.All", appDevelopers}
	readPrincipal   = operation{"read the service principals", "Application.Read.All", "any, unless the tenant keeps its members from reading"}
	createPrincipal = operation{"create a service principal", "Application.ReadWrite.All", appDevelopers}
)

// Tenant tells which tenant the credential signed in to.
func (c *Client) Tenant(ctx context.Context) (Tenant, error) {
	var tenants list[Tenant]
	_, err := c.send(ctx, readTenant, request{method: http.MethodGet, path: "/organization?$select=id,displayName", answer: &tenants})
	if err != nil || len(tenants.Value) == 0 {
		return Tenant{}, err
	}
	return tenants.Value[0], nil
}

// Application finds the application that was made under the unique name; it has
// no ID where there is none.
func (c *Client) Application(ctx context.Context, uniqueName string) (Application, error) {
	app, err := c.application(ctx, uniqueName)
	if isNotFound(err) {
		return Application{}, nil
	}
	return app, err
}

func (c *Client) application(ctx context.Context, uniqueName string) (app Application, err error) {
	_, err = c.send(ctx, readApp, request{method: http.MethodGet, path: "/applications(uniqueName='" + uniqueName + "')", answer: &app})
	return app, err
}

// CreateApplication makes an application, for this tenant alone. Of two that do
// so at a time under one unique name, both get the same application.
func (c *Client) CreateApplication(ctx context.Context, uniqueName string) (Application, error) {
	var app Application
	status, err := c.send(ctx, createApp, request{
		method: http.MethodPatch, path: "/applications(uniqueName='" + uniqueName + "')",
		header: http.Header{"Prefer": {"create-if-missing"}},
		body:   map[string]string{"displayName": uniqueName, "signInAudience": "AzureADMyOrg"},
		answer: &app,
	})
	if err == nil && status == http.StatusNoContent { // it was there after all
		return c.application(ctx, uniqueName)
	}
	return app, err
}

// UpdateApplication changes the application with the object id.
func (c *Client) UpdateApplication(ctx context.Context, id string, settings ApplicationSettings) error {
	_, err := c.send(ctx, updateApp, request{method: http.MethodPatch, path: "/applications/" + id, body: settings})
	return err
}

// AddSecret makes a client secret for the application with the object id.
func (c *Client) AddSecret(ctx context.Context, id, name string, end time.Time) (Credential, error) {
	// A failure after which it is unknown whether a secret was made is not
	// retried: that would leave a secret behind that nobody knows of.
	ctx = policy.WithRetryOptions(ctx, policy.RetryOptions{
		RetryDelay: time.Second,
		ShouldRetry: func(resp *http.Response, _ error) bool {
			return resp != nil && resp.StatusCode == http.StatusTooManyRequests
		},
	})
	var made Credential
	_, err := c.send(ctx, addSecret, request{
		method: http.MethodPost, path: "/applications/" + id + "/addPassword",
		body: map[string]any{"passwordCredential": map[string]any{
			"displayName": name,
			"endDateTime": end.UTC().Format(time.RFC3339),
		}},
		answer: &made,
	})
	return made, err
}

// ServicePrincipal finds the service principal of the application with the
// client id; it has no ID where there is none.
func (c *Client) ServicePrincipal(ctx context.Context, appID string) (ServicePrincipal, error) {
	principal, err := c.servicePrincipal(ctx, appID)
	if isNotFound(err) {
		return ServicePrincipal{}, nil
	}
	return principal, err
}

func (c *Client) servicePrincipal(ctx context.Context, appID string) (principal ServicePrincipal, err error) {
	_, err = c.send(ctx, readPrincipal, request{method: http.MethodGet, path: "/servicePrincipals(appId='" + appID + "')", answer: &principal})
	return principal, err
}

// CreateServicePrincipal makes the service principal of an application.
func (c *Client) CreateServicePrincipal(ctx context.Context, appID string) (ServicePrincipal, error) {
	var principal ServicePrincipal
	_, err := c.send(ctx, createPrincipal, request{
		method: http.MethodPost, path: "/servicePrincipals",
		body: map[string]string{"appId": appID}, answer: &principal,
	})
	if isConflict(err) { // made meanwhile, or an earlier answer was lost
		return c.servicePrincipal(ctx, appID)
	}
	return principal, err
}
