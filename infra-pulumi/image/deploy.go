package image

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// pushTimeout bounds a push from a slow line; the image has a few megabytes.
const pushTimeout = 10 * time.Minute

// Registry is where the app pulls its image from.
type Registry struct {
	// Server is the host name.
	Server pulumi.StringOutput
	// Auth asks for credentials to push with. It is called in a push only, so neither a preview nor an unchanged
	// deployment asks for any.
	Auth func(ctx context.Context, server string) (authn.Authenticator, error)
}

// Deployed is an image that the registry holds by the time that the resource which runs it is made or changed.
type Deployed struct {
	// Ref names the image by digest; a preview knows it as soon as the registry exists.
	Ref pulumi.StringOutput
	// Build is the server's version in it, where that is known.
	Build string
	// Options belong on the resource that runs the image.
	Options []pulumi.ResourceOption
}

// Deploy builds the image now, in a preview too, and has it pushed just before the resource that runs it changes.
// The engine runs no hooks in a preview, nor for a resource that stays as it is.
func Deploy(ctx *pulumi.Context, o Options, to Registry) (*Deployed, error) {
	if o.Log == nil {
		o.Log = func(format string, args ...any) { _ = ctx.Log.Debug(fmt.Sprintf(format, args...), nil) }
	}
	img, err := Build(ctx.Context(), o)
	if err != nil {
		return nil, err
	}
	// The first preview does not know the registry, hence no reference: it names the image here.
	if err := ctx.Log.Info(fmt.Sprintf("the server's image is %s (build %s)", img.Digest, img.Build), nil); err != nil {
		return nil, err
	}

	server := make(chan string, 1)
	ref := to.Server.ApplyT(func(host string) string {
		server <- host
		return host + "/" + Repository + "@" + img.Digest
	}).(pulumi.StringOutput)

	hook, err := ctx.RegisterResourceHook("push-image", func(*pulumi.ResourceHookArgs) error {
		limited, cancel := context.WithTimeout(ctx.Context(), pushTimeout)
		defer cancel()
		select {
		case host := <-server:
			server <- host // for the next time: a resource may be made and then changed
			return push(limited, img, host, to.Auth, func(message string) error { return ctx.Log.Info(message, nil) })
		case <-limited.Done():
			return fmt.Errorf("push the server's image: the registry's host name did not become known: %w", limited.Err())
		}
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("register the push of the server's image: %w", err)
	}
	hooks := []*pulumi.ResourceHook{hook}
	return &Deployed{Ref: ref, Build: img.Build, Options: []pulumi.ResourceOption{
		pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: hooks, BeforeUpdate: hooks}),
	}}, nil
}

func push(ctx context.Context, img *Image, server string, credentials func(context.Context, string) (authn.Authenticator, error), say func(string) error) error {
	auth, err := credentials(ctx, server)
	if err != nil {
		return fmt.Errorf("log in to registry %s: %w", server, err)
	}
	ref, pushed, err := Push(ctx, img, server+"/"+Repository, auth)
	if err != nil {
		return err
	}
	if pushed {
		return say("pushed " + ref)
	}
	return say("the registry already has " + ref)
}
