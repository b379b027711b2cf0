// Package registration registers the server and a client of it in Entra, and
// grants the client what it needs.
//
// A plan is made by reading only: one step for each thing, with what is missing
// of it. Applying a plan carries out the steps in order and stops at the first
// that fails; a new plan then goes on from there, because what exists is found
// again by the unique name that it was made under. Nothing is ever removed, and
// what others added to the apps is kept.
package registration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/tools/entra/envfile"
	"github.com/prynai/prynai-mcp/tools/entra/graph"
)

// Wish is what is to be registered.
type Wish struct {
	Name           string   // the apps are called NAME-server and NAME-client
	Tenant         string   // the tenant expected, or "" for the one signed in to
	VSCode         bool     // let VS Code get tokens without asking users for consent
	Delegated      bool     // let the client act for users, with consent for all of them
	GrantTo        []string // client ids of further identities that get the role
	SecretLifetime time.Duration
	NewSecret      bool // make a secret though there is one
	NoSecret       bool // make none
	Force          bool // overwrite the values of other apps in the .env file
}

// Step is one thing of a plan.
type Step struct {
	Verb string // make, change, grant, write; ok: it is as it should be
	What string
	do   func(context.Context) error
}

// Done tells whether there is nothing to do.
func (s Step) Done() bool { return s.do == nil }

// Registration is the state of the apps, as far as it is known.
type Registration struct {
	graph *graph.Client
	wish  Wish
	env   *envfile.File
	fresh bool // something was just made or changed that Entra may not know everywhere yet

	Tenant         graph.Tenant
	server, client app
	steps          []Step
}

// app is an application and what it is in this tenant.
type app struct {
	name string // unique, in the tenant
	graph.Application
	principal graph.ServicePrincipal
}

// Plan reads what there is and tells what is to be done.
func Plan(ctx context.Context, client *graph.Client, wish Wish, env *envfile.File) (*Registration, error) {
	r := &Registration{
		graph: client, wish: wish, env: env,
		server: app{name: wish.Name + "-server"},
		client: app{name: wish.Name + "-client"},
	}
	var err error
	if r.Tenant, err = client.Tenant(ctx); err != nil {
		return nil, err
	}
	if wish.Tenant != "" && !strings.EqualFold(wish.Tenant, r.Tenant.ID) {
		return nil, fmt.Errorf("signed in to tenant %s (%s), but %s is wanted\naz login --tenant %[3]s --allow-no-subscriptions", r.Tenant.ID, r.Tenant.DisplayName, wish.Tenant)
	}
	for _, a := range []*app{&r.server, &r.client} {
		if err := r.read(ctx, a); err != nil {
			return nil, err
		}
	}
	r.planServer()
	r.planClient()
	return r, errors.Join(r.planEnvironment(), r.planGrants(ctx))
}

func (r *Registration) read(ctx context.Context, a *app) (err error) {
	if a.Application, err = r.graph.Application(ctx, a.name); err != nil || a.ID == "" {
		return err
	}
	a.principal, err = r.graph.ServicePrincipal(ctx, a.AppID)
	return err
}

// Steps are the whole plan, with what is done already.
func (r *Registration) Steps() []Step { return r.steps }

// Apply carries out the plan and tells of each step that is done, and of pauses
// while Entra catches up.
func (r *Registration) Apply(ctx context.Context, done func(Step), pausing func(time.Duration)) error {
	for i, step := range r.steps {
		if step.Done() {
			continue
		}
		do := step.do
		if r.fresh {
			do = func(ctx context.Context) error { return graph.Settle(ctx, pausing, step.do) }
		}
		if err := do(ctx); err != nil {
			return fmt.Errorf("%w%s", err, remaining(r.steps[i:]))
		}
		done(step)
		r.fresh = true
	}
	return nil
}

func remaining(steps []Step) string {
	text := "\n\nNot done:"
	for _, step := range steps {
		if !step.Done() {
			text += "\n  " + step.Verb + " " + step.What
		}
	}
	return text
}

// The verbs of steps.
const (
	verbOK     = "ok"
	verbMake   = "make"
	verbChange = "change"
	verbGrant  = "grant"
	verbWrite  = "write"
)

func (r *Registration) ok(what string) { r.steps = append(r.steps, Step{Verb: verbOK, What: what}) }

func (r *Registration) plan(verb, what string, do func(context.Context) error) {
	r.steps = append(r.steps, Step{verb, what, do})
}

// planApp is the part that is alike for both apps: they are made empty, then
// changed to what they should be, so that the same change mends an app that was
// left half made. want returns what an app should be, and what it lacks.
func (r *Registration) planApp(a *app, want func(graph.Application) (graph.ApplicationSettings, []string)) {
	if a.ID == "" {
		r.plan(verbMake, "app "+a.name, func(ctx context.Context) (err error) {
			a.Application, err = r.graph.CreateApplication(ctx, a.name)
			return err
		})
	} else {
		r.ok(fmt.Sprintf("app %s, client id %s, made %s", a.name, a.AppID, a.CreatedDateTime.Format(time.DateOnly)))
	}
	r.planSettings(a, want)
}

func (r *Registration) planSettings(a *app, want func(graph.Application) (graph.ApplicationSettings, []string)) {
	_, lacks := want(a.Application)
	if len(lacks) == 0 {
		return
	}
	r.plan(verbChange, "app "+a.name+": "+strings.Join(lacks, ", "), func(ctx context.Context) error {
		settings, _ := want(a.Application)
		if err := r.graph.UpdateApplication(ctx, a.ID, settings); err != nil {
			return err
		}
		a.ApplicationSettings = settings
		return nil
	})
}

func (r *Registration) planPrincipal(a *app) {
	what := "service principal of " + a.name
	if a.principal.ID != "" {
		r.ok(what)
		return
	}
	r.plan(verbMake, what, func(ctx context.Context) (err error) {
		a.principal, err = r.graph.CreateServicePrincipal(ctx, a.AppID)
		return err
	})
}
