// Package stack is what the deployment provisions on Azure: deploy.go shows it whole, then there is one file per
// service.
//
// The program asks Azure for nothing but what it provisions, and is the same wherever it runs: under `pulumi up`, in
// the tests, and on a developer's machine, which runs the container app that is declared here. Configuration comes
// from whoever deploys and is checked before anything is declared. Every credential is a secret from where it enters:
// none may reach a plain input, a plain output or an error.
package stack

import (
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Program is the Pulumi program. The zero value deploys; its fields are for those who evaluate it otherwise.
type Program struct {
	// Image has the server's image in the registry; nil builds it from this repository and pushes it.
	Image ImageFunc
	// Getenv answers what the stack's configuration leaves open; nil asks the process's environment, then .env.
	Getenv func(string) string
}

// ImageFunc answers the image that the app runs.
type ImageFunc func(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error)

// Deploy is the program as `pulumi up` runs it.
func Deploy(ctx *pulumi.Context) error { return Program{}.Deploy(ctx) }

// Deploy declares the stack's resources and exports its outputs.
func (p Program) Deploy(ctx *pulumi.Context) error {
	outputs, err := p.declare(ctx)
	for name, value := range outputs {
		ctx.Export(name, value)
	}
	return err
}

func (p Program) declare(ctx *pulumi.Context) (pulumi.Map, error) {
	cfg, err := readConfig(ctx, p.Getenv)
	if err != nil {
		return nil, err
	}
	names, err := nameResources(ctx)
	if err != nil {
		return nil, err
	}
	group, err := newGroup(ctx, names)
	if err != nil {
		return nil, err
	}
	registry, err := newRegistry(ctx, names, group, cfg)
	if err != nil {
		return nil, err
	}
	identity, err := newIdentity(ctx, names, group, registry)
	if err != nil {
		return nil, err
	}
	redisURL, err := newRedis(ctx, names, group, cfg)
	if err != nil {
		return nil, err
	}
	logs, err := newLogs(ctx, names, group)
	if err != nil {
		return nil, err
	}
	environment, err := newEnvironment(ctx, names, group, logs)
	if err != nil {
		return nil, err
	}
	server, err := p.image(ctx, registry.target(ctx))
	if err != nil {
		return nil, err
	}
	app, err := newApp(ctx, names, group, cfg, environment, identity, registry, redisURL, server)
	if err != nil {
		return nil, err
	}
	return outputs(group, app, server), nil
}

func (p Program) image(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
	if p.Image != nil {
		return p.Image(ctx, to)
	}
	source, err := image.Source()
	if err != nil {
		return nil, err
	}
	return image.Deploy(ctx, image.Options{Module: source}, to)
}
