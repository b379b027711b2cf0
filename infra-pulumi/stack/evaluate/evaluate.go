// Package evaluate runs a Pulumi program without the engine, as if Azure had made everything that it declares, and
// keeps the declaration. No network, no credentials, no command line: what the program declares can be tested, and
// run elsewhere.
//
// Secrets are marked in what is kept, and plain to whoever reads through the mark: a declaration is not to be printed.
package evaluate

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Options say what to evaluate the program with.
type Options struct {
	Project, Stack string
	Config         map[string]string // "entra:tenantId": "…"
	SecretConfig   []string          // those keys of Config that are stored as secrets
	Azure          Azure
}

// Azure is what the pretend Azure answers; what is left empty gets a value that looks like Azure's.
type Azure struct {
	Subscription  string
	LoginServer   string // of the registry
	DefaultDomain string // of the environment
	RedisHost     string
	RedisPort     int
	RedisKey      string
}

// Declaration is what a program declares.
type Declaration struct {
	Resources []Resource
	Calls     []string // the functions of Azure that were called, by token
}

// Resource is one declared resource.
type Resource struct {
	Type, Name string
	// Inputs are as the program gave them; secrets are marked.
	Inputs resource.PropertyMap
	// BeforeCreate and BeforeUpdate name the hooks that the engine would run.
	BeforeCreate, BeforeUpdate []string
	// Protected ones are neither deleted nor replaced.
	Protected bool
	// DependsOn are the URNs of the resources that must exist before.
	DependsOn []string
}

// Revealed is a value without the marks of secrets, as plain Go values: what Azure would be sent.
func Revealed(value resource.PropertyValue) any {
	return value.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() {
			return Revealed(v.SecretValue().Element), true
		}
		return nil, false
	})
}

// Run evaluates a program.
func Run(program pulumi.RunFunc, o Options) (*Declaration, error) {
	azure := &pretend{azure: o.Azure.withDefaults(), declaration: new(Declaration)}
	err := pulumi.RunErr(program, pulumi.WithMocks(o.Project, o.Stack, azure), func(info *pulumi.RunInfo) {
		info.Config, info.ConfigSecretKeys = o.Config, o.SecretConfig
	})
	if err != nil {
		return nil, fmt.Errorf("evaluate the stack: %w", err)
	}
	return azure.declaration, nil
}

// Resource answers the one resource of a type, such as "azure-native:app/v20250101:ContainerApp"; the API version
// may be left out of the type.
func (d *Declaration) Resource(token string) (Resource, error) {
	matching := slices.DeleteFunc(slices.Clone(d.Resources), func(r Resource) bool { return !same(r.Type, token) })
	if len(matching) != 1 {
		return Resource{}, fmt.Errorf("the program declares %d resources of type %s; want one", len(matching), token)
	}
	return matching[0], nil
}

// same compares tokens, of which the second may lack the version.
func same(token, wanted string) bool {
	if token == wanted {
		return true
	}
	module, name, _ := strings.Cut(strings.TrimPrefix(token, "azure-native:"), ":")
	module, _, _ = strings.Cut(module, "/")
	return "azure-native:"+module+":"+name == wanted
}

func (a Azure) withDefaults() Azure {
	set := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	set(&a.Subscription, "00000000-0000-0000-0000-000000000000")
	set(&a.LoginServer, "registry.azurecr.io")
	set(&a.DefaultDomain, "happysea-01234567.westeurope.azurecontainerapps.io")
	set(&a.RedisHost, "cache.westeurope.redis.azure.net")
	set(&a.RedisKey, "a-redis-key")
	if a.RedisPort == 0 {
		a.RedisPort = 10000
	}
	return a
}

// pretend is Azure as the program sees it.
type pretend struct {
	azure       Azure
	mu          sync.Mutex
	declaration *Declaration
}

// NewResource keeps what is declared and answers what Azure would compute.
func (p *pretend) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	declared := Resource{Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs}
	if rpc := args.RegisterRPC; rpc != nil {
		declared.BeforeCreate, declared.BeforeUpdate = rpc.GetHooks().GetBeforeCreate(), rpc.GetHooks().GetBeforeUpdate()
		declared.Protected = rpc.GetProtect()
		declared.DependsOn = rpc.GetDependencies()
	}
	p.mu.Lock()
	p.declaration.Resources = append(p.declaration.Resources, declared)
	p.mu.Unlock()

	outputs := args.Inputs.Copy()
	answer := func(key resource.PropertyKey, value any) { outputs[key] = resource.NewPropertyValue(value) }
	kind := args.TypeToken[strings.LastIndex(args.TypeToken, ":")+1:]
	name := physicalName(kind, args)
	answer("name", name)
	switch kind {
	case "Registry":
		answer("loginServer", p.azure.LoginServer)
	case "Workspace":
		answer("customerId", "11111111-1111-1111-1111-111111111111")
	case "ManagedEnvironment":
		answer("defaultDomain", p.azure.DefaultDomain)
	case "UserAssignedIdentity":
		answer("principalId", "22222222-2222-2222-2222-222222222222")
	case "RedisEnterprise", "Redis":
		answer("hostName", p.azure.RedisHost)
		answer("sslPort", p.azure.RedisPort)
	case "Secret":
		answer("properties", map[string]any{"secretUriWithVersion": "https://vault.vault.azure.net/secrets/" + name + "/1"})
	case "Database":
		answer("port", p.azure.RedisPort)
	case "ContainerApp":
		answer("configuration", map[string]any{"ingress": map[string]any{"fqdn": name + "." + p.azure.DefaultDomain}})
		// The engine takes an output for a secret where the input is one.
		if args.Inputs["configuration"].ContainsSecrets() {
			outputs["configuration"] = resource.MakeSecret(outputs["configuration"])
		}
	}
	return "/subscriptions/" + p.azure.Subscription + "/" + kind + "/" + name, outputs, nil
}

// physicalName is the input that names a resource in Azure.
func physicalName(kind string, args pulumi.MockResourceArgs) string {
	inputs := map[string]resource.PropertyKey{
		"ResourceGroup": "resourceGroupName", "Registry": "registryName", "Workspace": "workspaceName",
		"ManagedEnvironment": "environmentName", "ContainerApp": "containerAppName", "UserAssignedIdentity": "resourceName",
		"RedisEnterprise": "clusterName", "Redis": "name", "Database": "databaseName", "RoleAssignment": "roleAssignmentName",
		"Vault": "vaultName", "Secret": "secretName", "ManagedCertificate": "managedCertificateName",
	}
	if value := args.Inputs[inputs[kind]]; value.IsString() {
		return value.StringValue()
	}
	return args.Name
}

// Call answers Azure's functions. Like azure-native, it marks nothing as secret.
func (p *pretend) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	p.mu.Lock()
	p.declaration.Calls = append(p.declaration.Calls, args.Token)
	p.mu.Unlock()
	answers := map[string]map[string]any{
		"readStackOutputs": {"outputs": map[string]any{}}, // nothing was deployed before
		"getClientConfig":  {"subscriptionId": p.azure.Subscription, "tenantId": "", "clientId": "", "objectId": ""},
		"getClientToken":   {"token": "an-azure-token"},
		"getSharedKeys":    {"primarySharedKey": "a-shared-key", "secondarySharedKey": "another-shared-key"},
		"listDatabaseKeys": {"primaryKey": p.azure.RedisKey, "secondaryKey": "another-redis-key"},
		"listRedisKeys":    {"primaryKey": p.azure.RedisKey, "secondaryKey": "another-redis-key"},
		"listRegistryCredentials": {"username": "registry", "passwords": []any{
			map[string]any{"name": "password", "value": "a-registry-password"},
			map[string]any{"name": "password2", "value": "another-registry-password"},
		}},
	}
	answer, known := answers[args.Token[strings.LastIndex(args.Token, ":")+1:]]
	if !known {
		return nil, fmt.Errorf("the pretend Azure has no function %s", args.Token)
	}
	return resource.NewPropertyMapFromMap(answer), nil
}
