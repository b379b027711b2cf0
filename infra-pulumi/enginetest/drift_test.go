package enginetest

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// drift changes things behind Pulumi's back, and expects a refresh to see them and an
// up to mend them.
func (e *engine) drift(t *testing.T, s auto.Stack) {
	t.Helper()
	ctx := t.Context()
	if err := e.cloud.Change("app", func(inputs map[string]any) {
		inputs["template"].(map[string]any)["scale"].(map[string]any)["maxReplicas"] = 1.0
	}); err != nil {
		t.Fatal(err)
	}
	if err := e.cloud.Remove("pull"); err != nil {
		t.Fatal(err)
	}
	refreshed, err := s.Refresh(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(*refreshed.Summary.ResourceChanges); got != "map[delete:1 update:1]" {
		t.Errorf("refresh saw %s\n%s", got, refreshed.StdOut)
	}
	mended, err := s.Up(unread(ctx, outputs))
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(*mended.Summary.ResourceChanges); got != "map[create:1 update:1]" {
		t.Errorf("up mended %s\n%s", got, mended.StdOut)
	}
	refreshed, err = s.Refresh(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(*refreshed.Summary.ResourceChanges); got != "map[]" {
		t.Errorf("after it was mended, refresh saw %s\n%s", got, refreshed.StdOut)
	}
}
