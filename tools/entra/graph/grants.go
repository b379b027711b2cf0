package graph

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// allPrincipals is consent for all users of the tenant, in Graph's word.
const allPrincipals = "AllPrincipals"

var (
	readGrants = operation{"read which permissions are granted", "Application.Read.All", "any, unless the tenant keeps its members from reading"}
	grantRole  = operation{"grant an app role (admin consent)", "AppRoleAssignment.ReadWrite.All", appAdministrators}
	readScopes = operation{"read which scopes are consented to", "DelegatedPermissionGrant.Read.All", "any, unless the tenant keeps its members from reading"}
	grantScope = operation{"consent to a scope for all users", "DelegatedPermissionGrant.ReadWrite.All", appAdministrators}
)

// HasRole tells whether the principal was granted the role of the resource.
// All are ids of objects.
func (c *Client) HasRole(ctx context.Context, principal, resource, role string) (bool, error) {
	var granted list[assignment]
	_, err := c.send(ctx, readGrants, request{
		method: http.MethodGet, path: "/servicePrincipals/" + principal + "/appRoleAssignments" + equal("resourceId", resource),
		answer: &granted,
	})
	return slices.ContainsFunc(granted.Value, func(a assignment) bool {
		return a.ResourceID == resource && a.AppRoleID == role
	}), err
}

// GrantRole grants the role of the resource to the principal.
func (c *Client) GrantRole(ctx context.Context, principal, resource, role string) error {
	_, err := c.send(ctx, grantRole, request{
		method: http.MethodPost, path: "/servicePrincipals/" + resource + "/appRoleAssignedTo",
		body: assignment{PrincipalID: principal, ResourceID: resource, AppRoleID: role},
	})
	if isConflict(err) {
		return nil // granted meanwhile
	}
	return err
}

// HasScope tells whether the client may use the scope of the resource in the
// name of every user.
func (c *Client) HasScope(ctx context.Context, client, resource, scope string) (bool, error) {
	granted, err := c.consent(ctx, client, resource)
	return slices.Contains(strings.Fields(granted.Scope), scope), err
}

// GrantScope lets the client use the scope of the resource in the name of every
// user, beside the scopes that it has.
func (c *Client) GrantScope(ctx context.Context, client, resource, scope string) error {
	granted, err := c.consent(ctx, client, resource)
	if err != nil {
		return err
	}
	r := request{
		method: http.MethodPost, path: "/oauth2PermissionGrants",
		body: consent{ClientID: client, ConsentType: allPrincipals, ResourceID: resource, Scope: scope},
	}
	if granted.ID != "" {
		scopes := append(strings.Fields(granted.Scope), scope)
		r = request{
			method: http.MethodPatch, path: "/oauth2PermissionGrants/" + granted.ID,
			body: consent{Scope: strings.Join(scopes, " ")},
		}
	}
	_, err = c.send(ctx, grantScope, r)
	return err
}

func (c *Client) consent(ctx context.Context, client, resource string) (consent, error) {
	var granted list[consent]
	_, err := c.send(ctx, readScopes, request{
		method: http.MethodGet, path: "/oauth2PermissionGrants" + equal("clientId", "'"+client+"'",
			"resourceId", "'"+resource+"'", "consentType", "'"+allPrincipals+"'"),
		answer: &granted,
	})
	if err != nil || len(granted.Value) == 0 {
		return consent{}, err
	}
	return granted.Value[0], nil
}
