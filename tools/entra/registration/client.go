package registration

import (
	"slices"

	"github.com/prynai/prynai-mcp/tools/entra/graph"
)

// redirects let programs on a user's machine sign that user in. Entra accepts
// any port of localhost, but only these paths; MCP clients use the second.
var redirects = []string{"http://localhost", "http://localhost/callback"}

func (r *Registration) planClient() {
	r.planApp(&r.client, r.wantClient)
	r.planPrincipal(&r.client)
}

// wantClient asks for the server's permissions, so that the portal shows them
// and an administrator can consent there.
func (r *Registration) wantClient(app graph.Application) (graph.ApplicationSettings, []string) {
	want, lacks := app.ApplicationSettings, []string(nil)
	ask := func(p graph.Permission, what string) {
		access := slices.Clone(want.RequiredResourceAccess)
		at := slices.IndexFunc(access, func(a graph.ResourceAccess) bool { return a.ResourceAppID == r.server.AppID })
		if at < 0 {
			at = len(access)
			access = append(access, graph.ResourceAccess{ResourceAppID: r.server.AppID})
		}
		if slices.Contains(access[at].Access, p) {
			return
		}
		access[at].Access = append(slices.Clone(access[at].Access), p)
		want.RequiredResourceAccess = access
		lacks = append(lacks, what)
	}
	ask(graph.Permission{ID: r.roleID(), Type: "Role"}, "asks for the role "+Role)
	if !r.wish.Delegated {
		return want, lacks
	}
	ask(graph.Permission{ID: r.scopeID(), Type: "Scope"}, "asks for the scope "+Scope)
	for _, uri := range redirects {
		if !slices.Contains(want.PublicClient.RedirectURIs, uri) {
			want.PublicClient.RedirectURIs = append(slices.Clone(want.PublicClient.RedirectURIs), uri)
			lacks = append(lacks, "redirect URI "+uri)
		}
	}
	return want, lacks
}

// roleID is the role's in the server's app, which may have been made by hand.
func (r *Registration) roleID() string {
	if role := findRole(r.server.AppRoles); role != nil {
		return role.ID
	}
	return roleID
}

func (r *Registration) scopeID() string {
	if scope := findScope(r.server.API.Scopes); scope != nil {
		return scope.ID
	}
	return scopeID
}
