package main

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
)

const (
	project   = "prynai-mcp"
	stackName = "local"
	// domain is what Azure would give to the environment. Names under
	// localhost lead to loopback wherever they are resolved.
	domain = "containerapps.localhost"
)

// declare evaluates the Pulumi program as if Azure were made of these services,
// and returns the Container App that it declares to run this image.
func declare(s *services, img *image.Image, publicURL string) (*declaration.App, error) {
	program := stack.Program{
		Image: func(_ *pulumi.Context, to image.Registry) (*image.Deployed, error) {
			return &image.Deployed{Ref: pulumi.Sprintf("%s/%s@%s", to.Server, image.Repository, img.Digest)}, nil
		},
		// What an .env file says is meant for Azure.
		Getenv:       func(string) string { return "" },
		Registration: stack.AllRegistered,
	}
	declared, err := evaluate.Run(program.Deploy, evaluate.Options{
		Project: project, Stack: stackName,
		Config: map[string]string{
			"azure-native:location":  "westeurope", // needed, and without effect here
			"entra:tenantId":         s.entra.tenant,
			"entra:serverAppId":      s.entra.serverApp,
			"entra:authority":        s.entra.authority,
			"entra:requiredAppRoles": role,
			"server:publicUrl":       publicURL,
			"server:tlsCa":           s.ca.pem,
		},
		Azure: evaluate.Azure{
			LoginServer:   s.registry.host,
			DefaultDomain: domain,
			RedisHost:     s.redis.host,
			RedisPort:     s.redis.port,
			RedisKey:      s.redis.key,
		},
	})
	if err != nil {
		return nil, err
	}
	app, err := declared.Resource("azure-native:app:ContainerApp")
	if err != nil {
		return nil, fmt.Errorf("evaluate the stack: %w", err)
	}
	inputs, ok := reveal(resource.NewProperty(app.Inputs)).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("evaluate the stack: the Container App has no inputs")
	}
	return declaration.Parse(inputs)
}

// reveal takes the marks of secrets off a value: here they are resolved.
func reveal(value resource.PropertyValue) any {
	return value.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() {
			return reveal(v.SecretValue().Element), true
		}
		return nil, false
	})
}
