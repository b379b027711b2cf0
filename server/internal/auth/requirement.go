package auth

import (
	"context"
	"slices"
	"strings"
)

// A Requirement is what a principal needs: any of the app roles, or any of the scopes (short names, as
// in the token). It fails closed: the zero value allows no one. [None] has to be asked for by name.
type Requirement struct {
	AnyRole  []string
	AnyScope []string

	rule rule
}

type rule int

const (
	listed    rule = iota
	anything       // a principal is enough
	something      // some role or scope, whatever its name
)

// None asks for nothing beyond being let in at all.
var None = Requirement{rule: anything}

// someGrant is for a server that names neither roles nor scopes: any application of a tenant can get a
// token for any other, but one with a role or scope was given it by an administrator or user.
var someGrant = Requirement{rule: something}

// Allows reports whether the principal has what is required.
func (r Requirement) Allows(p Principal) bool {
	switch {
	case p.Kind == "":
		return r.rule == anything
	case p.Kind == Local || r.rule == anything:
		return true
	case r.rule == something:
		return len(p.Roles)+len(p.Scopes) > 0
	}
	has := func(held []string) func(string) bool {
		return func(name string) bool { return slices.Contains(held, name) }
	}
	return slices.ContainsFunc(r.AnyRole, has(p.Roles)) || slices.ContainsFunc(r.AnyScope, has(p.Scopes))
}

// Authorize returns nil where the principal of the request has what is required, else the refusal.
func (r Requirement) Authorize(ctx context.Context) error {
	if p := FromContext(ctx); !r.Allows(p) {
		return InsufficientScope(p, r)
	}
	return nil
}

// IsZero reports whether nothing was declared, which is a mistake in whatever should have declared it.
func (r Requirement) IsZero() bool {
	return r.rule == listed && len(r.AnyRole)+len(r.AnyScope) == 0
}

// String names what is needed, to go after "needs".
func (r Requirement) String() string {
	switch r.rule {
	case anything:
		return "nothing"
	case something:
		return "an app role or a scope of this server"
	}
	var ways []string
	if len(r.AnyRole) > 0 {
		ways = append(ways, "the app role "+strings.Join(r.AnyRole, " or "))
	}
	if len(r.AnyScope) > 0 {
		ways = append(ways, "the scope "+strings.Join(r.AnyScope, " or "))
	}
	if r.IsZero() {
		return "what nobody has (nothing is declared)"
	}
	return strings.Join(ways, ", or ")
}
