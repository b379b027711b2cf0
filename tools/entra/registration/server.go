package registration

import (
	"slices"

	"github.com/prynai/prynai-mcp/tools/entra/graph"
)

// What the server offers: a role for applications (and users, where roles are
// required of them), a scope for what acts in a user's name.
const (
	Role  = "Mcp.Invoke"
	Scope = "mcp.invoke"

	// Ids of permissions are unique within an app only; fixed ones let a
	// registration that stopped half way go on without a doubt.
	roleID  = "5d9f4d4e-0b67-4d0a-9a0e-6c1b8a3f7e21"
	scopeID = "c2a7e6b8-3f1d-4c55-8e9b-72d4f0a91b63"
)

// vsCode is the client id of Visual Studio Code, the same in every tenant.
const vsCode = "aebc6443-996d-45c2-90f0-388ff96faa56"

func (r *Registration) planServer() {
	r.planApp(&r.server, wantServer)
	if r.wish.VSCode {
		// A step of its own: Graph knows a scope only in the request after the
		// one that made it.
		r.planSettings(&r.server, wantVSCode)
	}
	r.planPrincipal(&r.server)
}

func wantServer(app graph.Application) (graph.ApplicationSettings, []string) {
	want, lacks := app.ApplicationSettings, []string(nil)
	if uri := "api://" + app.AppID; !slices.Contains(want.IdentifierURIs, uri) {
		want.IdentifierURIs = append(slices.Clone(want.IdentifierURIs), uri)
		lacks = append(lacks, "identifier URI api://<client id>")
	}
	if v := want.API.RequestedAccessTokenVersion; v == nil || *v != 2 {
		want.API.RequestedAccessTokenVersion = new(2)
		lacks = append(lacks, "access tokens of version 2")
	}
	if role := findRole(want.AppRoles); role == nil {
		want.AppRoles = append(slices.Clone(want.AppRoles), graph.AppRole{
			ID: roleID, Value: Role, IsEnabled: true,
			DisplayName: "Use the MCP server", Description: "Use the tools, resources and prompts of the MCP server.",
			AllowedMemberTypes: []string{"Application", "User"},
		})
		lacks = append(lacks, "app role "+Role)
	} else if !role.IsEnabled || !slices.Contains(role.AllowedMemberTypes, "Application") {
		want.AppRoles = slices.Clone(want.AppRoles)
		role = findRole(want.AppRoles)
		role.IsEnabled = true
		if !slices.Contains(role.AllowedMemberTypes, "Application") {
			role.AllowedMemberTypes = append(slices.Clone(role.AllowedMemberTypes), "Application")
		}
		lacks = append(lacks, "app role "+Role+" enabled for applications")
	}
	if scope := findScope(want.API.Scopes); scope == nil {
		want.API.Scopes = append(slices.Clone(want.API.Scopes), graph.Scope{
			ID: scopeID, Value: Scope, Type: "User", IsEnabled: true,
			AdminConsentDisplayName: "Use the MCP server for users",
			AdminConsentDescription: "Use the tools, resources and prompts of the MCP server in the name of the signed-in user.",
			UserConsentDisplayName:  "Use the MCP server for you",
			UserConsentDescription:  "Use the tools, resources and prompts of the MCP server in your name.",
		})
		lacks = append(lacks, "scope "+Scope)
	} else if !scope.IsEnabled {
		want.API.Scopes = slices.Clone(want.API.Scopes)
		findScope(want.API.Scopes).IsEnabled = true
		lacks = append(lacks, "scope "+Scope+" enabled")
	}
	return want, lacks
}

// wantVSCode lets VS Code's own client have the scope without users' consent.
func wantVSCode(app graph.Application) (graph.ApplicationSettings, []string) {
	want, id := app.ApplicationSettings, scopeID
	if scope := findScope(want.API.Scopes); scope != nil {
		id = scope.ID
	}
	clients := slices.Clone(want.API.PreAuthorizedApplications)
	at := slices.IndexFunc(clients, func(p graph.PreAuthorized) bool { return p.AppID == vsCode })
	switch {
	case at < 0:
		clients = append(clients, graph.PreAuthorized{AppID: vsCode, DelegatedPermissionIDs: []string{id}})
	case !slices.Contains(clients[at].DelegatedPermissionIDs, id):
		clients[at].DelegatedPermissionIDs = append(slices.Clone(clients[at].DelegatedPermissionIDs), id)
	default:
		return want, nil
	}
	want.API.PreAuthorizedApplications = clients
	return want, []string{"VS Code authorized for " + Scope + " beforehand"}
}

func findRole(roles []graph.AppRole) *graph.AppRole {
	at := slices.IndexFunc(roles, func(r graph.AppRole) bool { return r.Value == Role })
	if at < 0 {
		return nil
	}
	return &roles[at]
}

func findScope(scopes []graph.Scope) *graph.Scope {
	at := slices.IndexFunc(scopes, func(s graph.Scope) bool { return s.Value == Scope })
	if at < 0 {
		return nil
	}
	return &scopes[at]
}
