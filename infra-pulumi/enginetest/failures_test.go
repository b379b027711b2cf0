package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

// refusal is what Azure says about a resource, in its manner, and what the deployment tells people to do.
type refusal struct{ says, remedy string }

// refusals has one for each resource of the stack that has everything.
var refusals = map[string]refusal{
	"group":          {`Code="AuthorizationFailed" Message="If access was recently granted, please refresh your credentials."`, "the role Contributor"},
	"logs":           {`Code="MissingSubscriptionRegistration" Message="See https://aka.ms/rps-not-found for how to register subscriptions."`, "az provider register"},
	"identity":       {`Code="QuotaExceeded" Message="Please request an increase of the quota."`, "have it raised"},
	"registry":       {`Code="AlreadyInUse" Message="The registry DNS name is already in use. Choose another name."`, "pulumi stack init NAME"},
	"pull":           {`Code="AuthorizationFailed" Message="The client does not have authorization to perform roleAssignments/write."`, "registry:adminUser true"},
	"redis":          {`Code="SkuNotAvailable" Message="The requested size is currently not available. Try another region."`, "redis:sku"},
	"redis-database": {`Code="OperationTimedOut" Message="The operation took too long. Try again later."`, "pulumi refresh"},
	"network":        {`Code="RequestDisallowedByPolicy" Message="Resource was disallowed by policy."`, "Azure Policy"},
	"environment":    {`Code="ManagedEnvironmentInvalidNetworkConfiguration" Message="The subnet must have a size of at least /23."`, "delegated to Microsoft.App/environments"},
	"app":            {`Code="ContainerAppOperationError" Message="Failed to provision revision. See the system logs."`, "go tool task logs"},

	"redis-endpoint":    {`Code="SubnetIsFull" Message="The subnet is full."`, "/23 or larger"},
	"redis-zone":        {`Code="ScopeLocked" Message="The scope cannot perform write operation because it is locked."`, "az lock"},
	"redis-zone-link":   {`Code="Conflict" Message="The resource is being changed."`, "wait some minutes"},
	"redis-zone-record": {`Code="InternalServerError" Message="An error occurred."`, "status.azure.com"},

	"vault":                  {`Code="ConflictError" Message="A vault with the same name already exists in deleted state."`, "az keyvault purge"},
	"read-secrets":           {`Code="AuthorizationFailed" Message="The client does not have authorization to perform roleAssignments/write."`, "secrets:store app"},
	"secret-redis-url":       {`Code="Forbidden" Message="The client address is not authorized."`, "the role Contributor"},
	"secret-entra-tenant":    {`Code="TooManyRequests" Message="Try again later."`, "wait some minutes"},
	"secret-entra-audiences": {`Code="Unheard" Message="Nobody knows."`, "secrets:store app"},

	"alerts":                     {`AADSTS700082: The refresh token has expired due to inactivity.`, "az login"},
	"alert-5xx":                  {`Code="Unheard" Message="Nobody knows."`, "alerts:email"},
	"alert-restarts":             {`Code="Unheard" Message="Nobody knows."`, "alerts:email"},
	"alert-redis-memory":         {`Code="Unheard" Message="Nobody knows."`, "alerts:email"},
	"diagnostics-app":            {`Code="Unheard" Message="Nobody knows."`, "logs:diagnostics false"},
	"diagnostics-registry":       {`Code="Unheard" Message="Nobody knows."`, "logs:diagnostics false"},
	"diagnostics-redis":          {`Code="Unheard" Message="Nobody knows."`, "logs:diagnostics false"},
	"diagnostics-redis-database": {`Code="Unheard" Message="Nobody knows."`, "logs:diagnostics false"},
}

// TestFailures lets every resource fail to be made and to be deleted, and the app to be
// changed, once before Azure did anything and once after Azure did it. Each failure is
// told with the resource, all that Azure said and what to do, and the next run carries on where the
// last one stopped.
func TestFailures(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy, everything)
	up := func(ctx context.Context) error { _, err := s.Up(unread(ctx, outputs, history)); return err }
	destroys := map[bool]func(context.Context) error{
		// Pulumi alone does not run the program, which knows what to do.
		false: func(ctx context.Context) error { _, err := s.Destroy(unread(ctx, history)); return err },
		true:  func(ctx context.Context) error { return azure.Destroy(unread(ctx, history), s, t.Output()) },
	}
	all := slices.Sorted(maps.Keys(refusals))
	for _, late := range []bool{false, true} {
		e.survive(t, "up", standin.Create, all, late, up, true)
		if got := len(e.cloud.Resources()); got != len(refusals) {
			t.Errorf("after the failures there are %d resources, want %d", got, len(refusals))
		}
		e.unchanged(t, s)
		set(t, s, "server:minReplicas", map[bool]string{false: "2", true: "3"}[late])
		e.survive(t, "up", standin.Update, []string{"app"}, late, up, true)
		e.noSecrets(t)
		e.survive(t, "destroy", standin.Delete, all, late, destroys[late], late)
		if left := e.cloud.Resources(); len(left) > 0 {
			t.Errorf("destroy left %v", left)
		}
	}
}

// survive runs what fails at each of the resources once until it does not.
func (e *engine) survive(t *testing.T, what string, op standin.Operation, names []string, late bool, run func(context.Context) error, remedies bool) {
	t.Helper()
	for _, name := range names {
		e.cloud.Fail(op, name, standin.Failure{Err: errors.New(refusals[name].says), Late: late})
	}
	for n := 1; ; n++ {
		before := e.cloud.Failures(op)
		err := run(t.Context())
		after := e.cloud.Failures(op)
		failed := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(after, name) })
		switch {
		case len(failed) > 0 && err == nil:
			t.Errorf("%s: the failure of %v went unnoticed", what, failed)
		case len(failed) == 0 && err != nil:
			t.Fatalf("%s does not recover: %v", what, err)
		case len(failed) == 0 && len(after) > 0:
			t.Fatalf("%s succeeded without asking for %v", what, after)
		case len(failed) == 0:
			e.step(t, fmt.Sprintf("each %s failed once (late: %v), %s %d succeeded", op, late, what, n))
			return
		}
		for _, name := range failed {
			told(t, err, name, op, remedies)
		}
	}
}

// told checks what a failed run says about one resource.
func told(t *testing.T, err error, name string, op standin.Operation, remedies bool) {
	t.Helper()
	refusal := refusals[name]
	if !strings.Contains(err.Error(), "("+name+")") || !strings.Contains(err.Error(), refusal.says) {
		t.Errorf("the failure of %s is not told with what Azure said:\n%v", name, err)
	}
	_, remedy, _ := strings.Cut(err.Error(), fmt.Sprintf("%s: %s failed. What to do: ", name, op))
	remedy, _, _ = strings.Cut(remedy, "\n")
	if remedies && !strings.Contains(remedy, refusal.remedy) {
		t.Errorf("the failure of %s is told with the remedy %q, want %q:\n%v", name, remedy, refusal.remedy, err)
	}
}
