package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// terminationGrace is how many seconds a replica has between SIGTERM and SIGKILL: the server drains for 30 (its
// SHUTDOWN_GRACE), after which it still closes its streams and its connections.
const terminationGrace = 60

// containerApp is the app with the address that clients use.
type containerApp struct {
	*app.ContainerApp
	publicURL pulumi.StringOutput
}

func (d *deployment) newApp(environment *app.ManagedEnvironment, identity *identity, registry *registry,
	network *network, redis *redis, server *image.Deployed) (*containerApp, error) {

	publicURL := d.publicURL(environment)
	values := d.appSecrets(redis.url)
	login := app.RegistryCredentialsArgs{Server: registry.LoginServer, Identity: identity.ID()}
	if registry.adminUser {
		values = append(values, appSecret{"registry-password", registry.password()})
		login = app.RegistryCredentialsArgs{
			Server: registry.LoginServer, Username: registry.username(), PasswordSecretRef: pulumi.String("registry-password"),
		}
	}
	secrets, err := d.storeSecrets(values, identity)
	if err != nil {
		return nil, err
	}
	domains, err := d.customDomains(environment)
	if err != nil {
		return nil, err
	}
	grants, err := awaitGrants(d.Context, identity.grants)
	if err != nil {
		return nil, err
	}
	made, err := app.NewContainerApp(d.Context, "app", &app.ContainerAppArgs{
		ResourceGroupName:   d.group.Name,
		ContainerAppName:    pulumi.String(d.names.local()),
		EnvironmentId:       environment.ID(),
		WorkloadProfileName: pulumi.String(workloadProfile),
		Identity: app.ManagedServiceIdentityArgs{
			Type:                   pulumi.String("UserAssigned"),
			UserAssignedIdentities: pulumi.StringArray{identity.ID()},
		},
		Configuration: app.ConfigurationArgs{
			ActiveRevisionsMode: d.release.mode(),
			Ingress: app.IngressArgs{
				External:      pulumi.Bool(true),
				AllowInsecure: pulumi.Bool(false),
				TargetPort:    pulumi.Int(image.Port),
				Transport:     pulumi.String("http"),
				Traffic:       d.release.traffic(),
				CustomDomains: domains,
			},
			Registries: app.RegistryCredentialsArray{login},
			Secrets:    secrets,
		},
		Template: d.appTemplate(server, publicURL, version(values)),
		Tags:     d.names.tags(),
	}, slices.Concat(server.Options, d.release.options(), grants, network.before())...)
	if err != nil {
		return nil, err
	}
	return &containerApp{made, publicURL}, nil
}

// appTemplate is what a revision is made of: Azure starts a new one when anything in it changes.
func (d *deployment) appTemplate(server *image.Deployed, publicURL, secretsVersion pulumi.StringOutput) app.TemplateArgs {
	return app.TemplateArgs{
		Containers: app.ContainerArray{app.ContainerArgs{
			Name:      pulumi.String("server"),
			Image:     server.Ref,
			Env:       d.appVariables(publicURL, secretsVersion),
			Resources: app.ContainerResourcesArgs{Cpu: pulumi.Float64(d.config.cpu), Memory: pulumi.String(d.config.memory)},
			Probes:    probes(),
		}},
		Scale:                         d.scale(),
		TerminationGracePeriodSeconds: pulumi.Float64(terminationGrace),
	}
}

// publicURL is the app's address as Azure will form it: what the app itself answers is not known before it is made.
func (d *deployment) publicURL(environment *app.ManagedEnvironment) pulumi.StringOutput {
	if d.config.publicURL != "" {
		return pulumi.String(d.config.publicURL).ToStringOutput()
	}
	return pulumi.Sprintf("https://%s.%s", d.names.local(), environment.DefaultDomain)
}

func (d *deployment) appSecrets(redisURL pulumi.StringOutput) []appSecret {
	secrets := []appSecret{
		{"redis-url", redisURL},
		{"entra-tenant", secret(pulumi.String(d.config.tenantID).ToStringOutput())},
		{"entra-audiences", secret(pulumi.String(d.config.audiences).ToStringOutput())},
	}
	if headers := d.config.telemetryHeaders; headers != "" {
		secrets = append(secrets, appSecret{"otlp-headers", secret(pulumi.String(headers).ToStringOutput())})
	}
	return secrets
}

// version changes whenever a secret does. Secrets are not part of the template, so that without it a changed one, as
// after the rotation of a key, would reach no replica that runs.
func version(secrets []appSecret) pulumi.StringOutput {
	values := make([]any, 0, len(secrets))
	for _, secret := range secrets {
		values = append(values, secret.value)
	}
	// What is left of the values is nobody's secret: half of a hash, whose input holds random keys.
	return pulumi.Unsecret(pulumi.All(values...).ApplyT(func(values []any) string {
		sum := sha256.New()
		for _, value := range values {
			fmt.Fprintf(sum, "%q\n", value)
		}
		return hex.EncodeToString(sum.Sum(nil)[:8])
	})).(pulumi.StringOutput)
}

// appVariables are the server's environment. Its own table of variables says what each does.
func (d *deployment) appVariables(publicURL, secretsVersion pulumi.StringOutput) app.EnvironmentVarArray {
	plain := func(name string, value pulumi.StringInput) app.EnvironmentVarArgs {
		return app.EnvironmentVarArgs{Name: pulumi.String(name), Value: value}
	}
	from := func(name, secret string) app.EnvironmentVarArgs {
		return app.EnvironmentVarArgs{Name: pulumi.String(name), SecretRef: pulumi.String(secret)}
	}
	all := app.EnvironmentVarArray{
		from("REDIS_URL", "redis-url"),
		from("ENTRA_TENANT_ID", "entra-tenant"),
		from("ENTRA_AUDIENCES", "entra-audiences"),
		plain("AUTH_REQUIRED", pulumi.String("true")),
		plain("PRYNAI_ENV", pulumi.String(d.Stack())),
		plain("PUBLIC_URL", publicURL),
		plain("SECRETS_VERSION", secretsVersion),
		plain("GOMEMLIMIT", pulumi.String(goMemoryFor(d.config.cpu))),
		plain("GOMAXPROCS", pulumi.String(goProcessorsFor(d.config.cpu))),
	}
	if d.config.telemetryHeaders != "" {
		all = append(all, from("OTEL_EXPORTER_OTLP_HEADERS", "otlp-headers"))
	}
	for _, v := range d.config.variables {
		all = append(all, plain(v.name, v.value))
	}
	return all
}

// probes are all declared: Azure's own defaults do not apply here. None asks the MCP endpoint, which needs a token.
func probes() app.ContainerAppProbeArray {
	probe := func(kind, path string, period, timeout, failures int) app.ContainerAppProbeArgs {
		return app.ContainerAppProbeArgs{
			Type:             pulumi.String(kind),
			HttpGet:          app.ContainerAppProbeHttpGetArgs{Path: pulumi.String(path), Port: pulumi.Int(image.Port)},
			PeriodSeconds:    pulumi.Int(period),
			TimeoutSeconds:   pulumi.Int(timeout),
			FailureThreshold: pulumi.Int(failures),
		}
	}
	return app.ContainerAppProbeArray{
		probe("Startup", "/livez", 2, 2, 10),
		probe("Liveness", "/livez", 10, 5, 3),
		probe("Readiness", "/readyz", 5, 3, 3),
	}
}

// scale keeps at least one replica. Azure counts the requests of the last 15 seconds, for which an open stream is
// idle, hence a rule by CPU beside the one by requests.
func (d *deployment) scale() app.ScaleArgs {
	return app.ScaleArgs{
		MinReplicas: pulumi.Int(d.config.minReplicas),
		MaxReplicas: pulumi.Int(d.config.maxReplicas),
		Rules: app.ScaleRuleArray{
			app.ScaleRuleArgs{Name: pulumi.String("requests"), Http: app.HttpScaleRuleArgs{
				Metadata: pulumi.StringMap{"concurrentRequests": pulumi.String(strconv.Itoa(d.config.concurrentRequests))},
			}},
			app.ScaleRuleArgs{Name: pulumi.String("cpu"), Custom: app.CustomScaleRuleArgs{
				Type:     pulumi.String("cpu"),
				Metadata: pulumi.StringMap{"type": pulumi.String("Utilization"), "value": pulumi.String("70")},
			}},
		},
	}
}
