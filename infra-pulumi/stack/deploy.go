// Package stack is what the deployment provisions on Azure: deploy.go shows it whole, then there is one file per
// service.
//
// The program asks Azure for nothing but what it provisions, and is the same wherever it runs: under `pulumi up`, in
// the tests, and on a developer's machine, which runs the container app that is declared here. Configuration comes
// from whoever deploys and is checked before anything is declared. Every credential is a secret from where it enters:
// none may reach a plain input, a plain output or an error.
package stack

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Program is the Pulumi program. The zero value deploys; its fields are for those who evaluate it otherwise.
type Program struct {
	// Image has the server's image in the registry; nil: BuildImage.
	Image ImageFunc
	// Getenv answers what the stack's configuration leaves open; nil asks the process's environment, then .env.
	Getenv func(string) string
	// Registration asks for the state of resource providers; nil asks Azure.
	Registration RegistrationFunc
	// Release says where the traffic goes; nil carries on with what the last run of this stack recorded.
	Release *Release
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

// declare is the whole deployment, in the order of what needs what.
func (p Program) declare(ctx *pulumi.Context) (pulumi.Map, error) {
	d, err := p.newDeployment(ctx)
	if err != nil {
		return nil, err
	}
	// Built before anything is made: a server that does not compile leaves nothing behind.
	server, push, err := p.image(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.newGroup(); err != nil {
		return nil, err
	}
	registry, err := d.newRegistry()
	if err != nil {
		return nil, err
	}
	push(registry.target(ctx))
	identity, err := d.newIdentity(registry)
	if err != nil {
		return nil, err
	}
	network, err := d.newNetwork()
	if err != nil {
		return nil, err
	}
	redis, err := d.newRedis()
	if err != nil {
		return nil, err
	}
	if err := d.connect(network, redis); err != nil {
		return nil, err
	}
	logs, err := d.newLogs()
	if err != nil {
		return nil, err
	}
	environment, err := d.newEnvironment(logs, network)
	if err != nil {
		return nil, err
	}
	app, err := d.newApp(environment, identity, registry, network, redis, server)
	if err != nil {
		return nil, err
	}
	if err := d.finishDomain(environment, app); err != nil {
		return nil, err
	}
	watched := watched{app, registry, redis, logs}
	if err := d.newDiagnostics(watched); err != nil {
		return nil, err
	}
	if err := d.newAlerts(watched); err != nil {
		return nil, err
	}
	return d.outputs(app, server), nil
}

// deployment is what every resource is declared with.
type deployment struct {
	*pulumi.Context
	config  *config
	release *Release
	names   names
	group   *resources.ResourceGroup
}

// newDeployment checks the configuration and the subscription before anything is declared.
func (p Program) newDeployment(ctx *pulumi.Context) (*deployment, error) {
	config, err := readConfig(ctx, p.Getenv)
	if err != nil {
		return nil, err
	}
	release := p.Release
	if release == nil {
		if release, err = recordedRelease(ctx); err != nil {
			return nil, err
		}
	}
	names, err := nameResources(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.preflight(ctx, config, names.subscription); err != nil {
		return nil, err
	}
	if err := tellRemedies(ctx); err != nil {
		return nil, err
	}
	return &deployment{Context: ctx, config: config, release: release, names: names}, nil
}

// image has the server's image ready. The registry that it goes to is told by push, once it is declared.
func (p Program) image(ctx *pulumi.Context) (deployed *image.Deployed, push func(image.Registry), err error) {
	host, tellHost := pulumi.DeferredOutput[string](ctx.Context())
	var registry image.Registry
	promised := image.Registry{
		Server: pulumi.StringOutput{OutputState: host.OutputState},
		// Called in a push, when the host is known and hence the registry.
		Auth: func(c context.Context, server string) (authn.Authenticator, error) { return registry.Auth(c, server) },
	}
	push = func(to image.Registry) {
		registry = to
		tellHost(to.Server)
	}
	build := p.Image
	if build == nil {
		build = BuildImage
	}
	deployed, err = build(ctx, promised)
	return deployed, push, err
}

// BuildImage builds the image of this repository's server, to be pushed when the app needs it.
func BuildImage(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
	source, err := image.Source()
	if err != nil {
		return nil, err
	}
	return image.Deploy(ctx, image.Options{Module: source}, to)
}
