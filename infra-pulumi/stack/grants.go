package stack

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// grantAge is how old a role assignment must be before it is relied upon: Azure takes some minutes to spread it, and
// an app that may not pull yet fails to start.
const grantAge = 3 * time.Minute

// awaitGrants has the engine wait, before the resource is first made, until each role assignment is old enough. It
// waits where something is really made: the engine runs no hooks in a preview.
func awaitGrants(ctx *pulumi.Context, grants []*authorization.RoleAssignment) ([]pulumi.ResourceOption, error) {
	if len(grants) == 0 {
		return nil, nil
	}
	created := make(chan string, len(grants))
	dependencies := make([]pulumi.Resource, len(grants))
	for i, grant := range grants {
		dependencies[i] = grant
		grant.CreatedOn.ApplyT(func(at string) string { created <- at; return at })
	}
	hook, err := ctx.RegisterResourceHook("await-grants", func(*pulumi.ResourceHookArgs) error {
		say := func(message string) error { return ctx.Log.Info(message, nil) }
		for range grants {
			select {
			case at := <-created:
				if err := awaitGrant(ctx.Context(), at, say); err != nil {
					return err
				}
			case <-ctx.Context().Done():
				return context.Cause(ctx.Context())
			}
		}
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("register the wait for role assignments: %w", err)
	}
	return []pulumi.ResourceOption{
		pulumi.DependsOn(dependencies),
		pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: []*pulumi.ResourceHook{hook}}),
	}, nil
}

// awaitGrant waits until a role assignment of that time is old enough. One whose time cannot be read counts as new.
func awaitGrant(ctx context.Context, created string, say func(string) error) error {
	left := grantAge
	if at, err := time.Parse(time.RFC3339Nano, created); err == nil {
		left = min(grantAge, time.Until(at.Add(grantAge))) // this machine's clock may be behind Azure's
	}
	if left <= 0 {
		return nil
	}
	if err := say(fmt.Sprintf("waiting %s: the app's role assignment is new, and Azure takes some minutes to know it everywhere", left.Round(time.Second))); err != nil {
		return err
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
