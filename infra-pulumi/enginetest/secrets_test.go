package enginetest

import (
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// TestNewSecretsReachTheReplicas changes what the app's secrets hold. Replicas that run
// keep the values that they started with: only a new revision has the new ones.
func TestNewSecretsReachTheReplicas(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	e.mustUp(t, s)
	e.step(t, "up")

	if err := e.cloud.Rotate("redis-database"); err != nil {
		t.Fatal(err)
	}
	e.expectRevision(t, s, 2, "a rotated key of Redis")
	set(t, s, "redis:kind", "classic")
	e.expectRevision(t, s, 3, "another kind of Redis")
	set(t, s, "entra:tenantId", "33333333-3333-3333-3333-333333333333")
	e.expectRevision(t, s, 4, "another tenant")
}

// expectRevision runs up, and expects it to bring the app to its n-th revision.
func (e *engine) expectRevision(t *testing.T, s auto.Stack, n int, why string) {
	t.Helper()
	e.mustUp(t, s)
	if got := e.revisions(t); got != n {
		t.Errorf("%s: the app has %d revisions, want %d: its replicas do not know", why, got, n)
	}
	e.step(t, "up: "+why)
}
