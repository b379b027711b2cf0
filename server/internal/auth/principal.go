package auth

import (
	"context"
	"log/slog"
)

// Kind tells what a principal is. The zero value is nobody.
type Kind string

const (
	// User is a person; the client acts on their behalf.
	User Kind = "user"
	// Application is a client that acts for itself.
	Application Kind = "application"
	// Local is whoever can reach the loopback address, with AUTH_REQUIRED=false. It may do everything.
	Local Kind = "local"
)

// A Principal is who sent a request. It outlives tokens: a refreshed one gives the same ID.
// Its slices are shared between requests and must not be written to.
type Principal struct {
	Kind    Kind
	Tenant  string
	Object  string // object id of the user or of the application's service principal; may be missing
	Subject string // identifies the principal where Object is missing
	Client  string // id of the client application, for audit
	Roles   []string
	Scopes  []string // short names, as tokens carry them

	id string // made once, where one principal has many requests
}

// ID is what sessions and everything in them are bound to. Nobody's is empty.
func (p Principal) ID() string {
	switch {
	case p.id != "":
		return p.id
	case p.Kind == "":
		return ""
	case p.Kind == Local:
		return "local"
	case p.Object != "":
		return p.Tenant + "/" + p.Object
	default:
		return p.Tenant + "/sub:" + p.Subject
	}
}

// LogValue shows who it is without listing what it may do.
func (p Principal) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.ID()), slog.String("kind", string(p.Kind)), slog.String("client", p.Client))
}

type contextKey struct{}

// NewContext gives a context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context { return withPrincipal(ctx, &p) }

func withPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext is the principal of the request; without one it is nobody, which nothing but None allows.
func FromContext(ctx context.Context) Principal {
	if p, ok := ctx.Value(contextKey{}).(*Principal); ok {
		return *p
	}
	return Principal{}
}

// ID is that of the request's principal; nobody's is empty.
func ID(ctx context.Context) string {
	if p, ok := ctx.Value(contextKey{}).(*Principal); ok {
		return p.ID()
	}
	return ""
}
