package registration

import (
	"context"
	"fmt"

	"github.com/prynai/prynai-mcp/tools/entra/graph"
)

// planGrants comes last: only administrators can do it, and everything else is
// then done when one is still to be asked.
func (r *Registration) planGrants(ctx context.Context) error {
	if err := r.planRole(ctx, r.client.name, &r.client.principal); err != nil {
		return err
	}
	if r.wish.Delegated {
		if err := r.planScope(ctx); err != nil {
			return err
		}
	}
	for _, id := range r.wish.GrantTo {
		principal, err := r.graph.ServicePrincipal(ctx, id)
		if err != nil {
			return err
		}
		if principal.ID == "" {
			return fmt.Errorf("the tenant has no identity with the client id %s, to which %s is to be granted\nFor an app registration: az ad sp create --id %[1]s. For a managed identity, give its client id, not its object id", id, Role)
		}
		if err := r.planRole(ctx, fmt.Sprintf("%s, client id %s", principal.DisplayName, id), &principal); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registration) planRole(ctx context.Context, name string, to *graph.ServicePrincipal) error {
	what := "role " + Role + " to " + name
	if r.server.principal.ID != "" && to.ID != "" {
		granted, err := r.graph.HasRole(ctx, to.ID, r.server.principal.ID, r.roleID())
		if err != nil {
			return err
		}
		if granted {
			r.ok(what)
			return nil
		}
	}
	r.plan(verbGrant, what, func(ctx context.Context) error {
		return r.graph.GrantRole(ctx, to.ID, r.server.principal.ID, r.roleID())
	})
	return nil
}

func (r *Registration) planScope(ctx context.Context) error {
	what := "scope " + Scope + " to " + r.client.name + ", for all users"
	if r.server.principal.ID != "" && r.client.principal.ID != "" {
		granted, err := r.graph.HasScope(ctx, r.client.principal.ID, r.server.principal.ID, Scope)
		if err != nil {
			return err
		}
		if granted {
			r.ok(what)
			return nil
		}
	}
	r.plan(verbGrant, what, func(ctx context.Context) error {
		return r.graph.GrantScope(ctx, r.client.principal.ID, r.server.principal.ID, Scope)
	})
	return nil
}
