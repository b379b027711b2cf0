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
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

// refusals is what Azure says to each resource, with a remedy, in Azure's manner.
var refusals = map[string]string{
	"group":          `Code="AuthorizationFailed" Message="If access was recently granted, please refresh your credentials."`,
	"logs":           `Code="MissingSubscriptionRegistration" Message="See https://aka.ms/rps-not-found for how to register subscriptions."`,
	"identity":       `Code="QuotaExceeded" Message="Please request an increase of the quota."`,
	"registry":       `Code="AlreadyInUse" Message="The registry DNS name is already in use. Choose another name."`,
	"redis":          `Code="SkuNotAvailable" Message="The requested size is currently not available. Try another region."`,
	"redis-database": `Code="OperationTimedOut" Message="The operation took too long. Try again later."`,
	"environment":    `Code="MaxNumberOfRegionalEnvironmentsInSubExceeded" Message="Delete an environment."`,
	"pull":           `Code="AuthorizationFailed" Message="The client does not have authorization to perform roleAssignments/write."`,
	"app":            `Code="ContainerAppOperationError" Message="Failed to provision revision. See the system logs."`,
}

// TestFailures lets every resource fail to be made and to be deleted, and the app to be
// changed, once before Azure did anything and once after Azure did it. Each failure is
// told with the resource and all that Azure said, and the next run carries on where the
// last one stopped.
func TestFailures(t *testing.T) {
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	up := func(ctx context.Context) error { _, err := s.Up(ctx); return err }
	destroy := func(ctx context.Context) error { _, err := s.Destroy(ctx); return err }

	all := slices.Sorted(maps.Keys(refusals))
	for _, late := range []bool{false, true} {
		e.survive(t, "up", standin.Create, all, late, up)
		if got := len(e.cloud.Resources()); got != len(refusals) {
			t.Errorf("after the failures there are %d resources, want %d", got, len(refusals))
		}
		if _, err := s.Up(t.Context(), optup.ExpectNoChanges()); err != nil {
			t.Error(err)
		}
		set(t, s, "server:minReplicas", map[bool]string{false: "2", true: "3"}[late])
		e.survive(t, "up", standin.Update, []string{"app"}, late, up)
		e.noSecrets(t)
		e.survive(t, "destroy", standin.Delete, all, late, destroy)
		if left := e.cloud.Resources(); len(left) > 0 {
			t.Errorf("destroy left %v", left)
		}
	}
}

// survive runs what fails at each of the resources once until it does not.
func (e *engine) survive(t *testing.T, what string, op standin.Operation, names []string, late bool, run func(context.Context) error) {
	t.Helper()
	for _, name := range names {
		e.cloud.Fail(op, name, standin.Failure{Err: errors.New(refusals[name]), Late: late})
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
			if !strings.Contains(err.Error(), " "+name+" ") || !strings.Contains(err.Error(), refusals[name]) {
				t.Errorf("%s: the failure of %s is not told with what Azure said:\n%v", what, name, err)
			}
		}
	}
}
