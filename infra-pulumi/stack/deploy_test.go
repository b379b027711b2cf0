package stack

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var update = flag.Bool("update", false, "rewrite the golden declarations")

// minimal is the least that must be configured.
func minimal() map[string]string {
	return map[string]string{
		"azure-native:location": "westeurope",
		"entra:tenantId":        "aaaaaaaa-0000-4000-8000-00000000000a",
		"entra:serverAppId":     "bbbbbbbb-0000-4000-8000-00000000000b",
	}
}

func with(values map[string]string) map[string]string {
	all := minimal()
	maps.Copy(all, values)
	return all
}

// everything sets what can be set, beside the kinds of things.
func everything() map[string]string {
	return with(map[string]string{
		"entra:requiredScopes": "Mcp.Use", "entra:requiredAppRoles": "Mcp.Invoke,Mcp.Admin", "entra:authority": "https://login.microsoftonline.us",
		"server:cpu": "1.25", "server:minReplicas": "2", "server:maxReplicas": "20", "server:concurrentRequests": "80",
		"server:publicUrl": "https://mcp.example.com/", "server:corsAllowOrigins": "*", "server:allowedHosts": "mcp.example.com,10.0.0.1",
		"server:logLevel": "debug", "server:sessionIdle": "2h",
		"telemetry:endpoint": "https://otlp.example.com", "telemetry:headers": "Authorization=Bearer%20a-collector-key", "telemetry:sampling": "0.1",
	})
}

// configurations are the ones whose declarations are kept, and held to the policy.
func configurations() map[string]map[string]string {
	return map[string]map[string]string{
		"managed":            minimal(),
		"one-node":           with(map[string]string{"redis:replicated": "false"}),
		"classic":            with(map[string]string{"redis:kind": "classic", "redis:sku": "Premium_P2", "registry:adminUser": "true"}),
		"all":                everything(),
		"guarded":            with(guarded),
		"classic-guarded":    with(map[string]string{"redis:kind": "classic", "network:private": "true", "logs:diagnostics": "true", "alerts:email": "operations@example.com"}),
		"domain-dns":         with(map[string]string{"domain:name": "mcp.example.com", "domain:step": "dns"}),
		"domain-certificate": with(map[string]string{"domain:name": "mcp.example.com", "domain:step": "certificate"}),
		"domain-bound":       with(map[string]string{"domain:name": "mcp.example.com", "domain:step": "bound"}),
		"existing":           with(map[string]string{"redis:kind": existingRedis, "redis:url": "rediss://default:a-redis-key@redis.example.com:6380"}),
	}
}

// guarded is everything around the app that can be turned on.
var guarded = map[string]string{
	"data:protect": "true", "network:zoneRedundant": "true", "network:private": "true", "secrets:store": "vault",
	"logs:retentionDays": "90", "logs:diagnostics": "true", "alerts:email": "operations@example.com, second@example.com", "registry:sku": "Standard",
}

// secretKeys are the settings that must be stored as secrets.
func secretKeys() (keys []string) {
	for _, s := range settings {
		if s.secret {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// program is the program with an image from elsewhere.
func program() Program {
	return Program{
		Image: func(_ *pulumi.Context, to image.Registry) (*image.Deployed, error) {
			return &image.Deployed{Ref: pulumi.Sprintf("%s/prynai-mcp@sha256:0", to.Server)}, nil
		},
		Getenv:       nothing,
		Registration: AllRegistered,
	}
}

func declaration(t *testing.T, cfg map[string]string) *evaluate.Declaration {
	t.Helper()
	d, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "prynai-mcp", Stack: "dev", Config: cfg, SecretConfig: secretKeys()})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func appInputs(t *testing.T, cfg map[string]string) map[string]any {
	t.Helper()
	r, err := declaration(t, cfg).Resource("azure-native:app:ContainerApp")
	if err != nil {
		t.Fatal(err)
	}
	return evaluate.Revealed(resource.NewObjectProperty(r.Inputs)).(map[string]any)
}

// The golden files hold every input of every resource; what is secret stands there as such.
func TestDeclarations(t *testing.T) {
	for name, cfg := range configurations() {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".json")
			got := render(t, declaration(t, cfg))
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("the declaration is not that of %s; if it is right, run go test -update and review the difference. Got\n%s", golden, got)
			}
		})
	}
}

func render(t *testing.T, d *evaluate.Declaration) []byte {
	t.Helper()
	shown := map[string]any{}
	for _, r := range d.Resources {
		shown[r.Name+" "+r.Type] = resource.NewObjectProperty(r.Inputs).MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
			if v.IsSecret() {
				return "[secret]", true
			}
			return nil, false
		})
	}
	text, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestNoSecretIsPlain(t *testing.T) {
	for _, kind := range []string{managedRedis, classicRedis} {
		for _, adminUser := range []string{"true", "false"} {
			cfg := everything()
			cfg["redis:kind"], cfg["registry:adminUser"] = kind, adminUser
			for _, r := range declaration(t, cfg).Resources {
				text, err := json.Marshal(resource.NewObjectProperty(r.Inputs).MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
					return nil, v.IsSecret()
				}))
				if err != nil {
					t.Fatal(err)
				}
				for _, secret := range []string{"a-redis-key", "rediss:", "a-shared-key", "a-registry-password", "a-collector-key", "an-azure-token", minimal()["entra:tenantId"], minimal()["entra:serverAppId"]} {
					if strings.Contains(string(text), secret) {
						t.Errorf("redis:kind=%s registry:adminUser=%s: %s %s has %q among its plain inputs", kind, adminUser, r.Type, r.Name, secret)
					}
				}
			}
		}
	}
}

// An existing Redis is nobody's resource here, and its URL reaches the app as it is.
func TestExistingRedis(t *testing.T) {
	const url = "rediss://default:pass%2Fword@redis.example.com:6380"
	d, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "p", Stack: "s",
		Config: with(map[string]string{"redis:kind": existingRedis, "redis:url": url}), SecretConfig: []string{"redis:url"}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(render(t, d)), "pass%2Fword") {
		t.Error("the password is in a plain input")
	}
	for _, r := range d.Resources {
		if strings.Contains(r.Type, ":cache") {
			t.Errorf("made a %s", r.Type)
		}
		if strings.HasSuffix(r.Type, ":ContainerApp") {
			if got := evaluate.Revealed(r.Inputs["configuration"]).(map[string]any)["secrets"].([]any)[0].(map[string]any)["value"]; got != url {
				t.Errorf("the app gets %v", got)
			}
		}
	}
}

func TestProtection(t *testing.T) {
	for on, want := range map[string][]string{"false": nil, "true": {"group", "redis", "redis-database"}} {
		var protected []string
		for _, r := range declaration(t, with(map[string]string{"data:protect": on})).Resources {
			if r.Protected {
				protected = append(protected, r.Name)
			}
		}
		slices.Sort(protected)
		if !slices.Equal(protected, want) {
			t.Errorf("data:protect %s protects %v, want %v", on, protected, want)
		}
	}
}

// The app must not look for Redis before the network can find it.
func TestAppWaitsForPrivateRedis(t *testing.T) {
	r, err := declaration(t, with(guarded)).Resource("azure-native:app:ContainerApp")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"::redis-zone-link", "::redis-zone-record", "::read-secrets", "::pull"} {
		if !slices.ContainsFunc(r.DependsOn, func(urn string) bool { return strings.HasSuffix(urn, name) }) {
			t.Errorf("the app does not wait for %s: %v", name, r.DependsOn)
		}
	}
}

func TestSecretsReachTheApp(t *testing.T) {
	const headers = "key=a%20value"
	for kind, want := range map[string]string{
		managedRedis: "rediss://default:a%2Fredis+key=@cache.example.net:10000",
		classicRedis: "rediss://default:a%2Fredis+key=@cache.example.net:6380",
	} {
		azure := evaluate.Azure{RedisHost: "cache.example.net", RedisKey: "a/redis+key=", RedisPort: map[string]int{managedRedis: 10000, classicRedis: 6380}[kind]}
		d, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "p", Stack: "s", Azure: azure, SecretConfig: secretKeys(),
			Config: with(map[string]string{"redis:kind": kind, "telemetry:endpoint": "https://otlp.example.com", "telemetry:headers": headers})})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Resource("azure-native:app:ContainerApp")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		for _, s := range evaluate.Revealed(r.Inputs["configuration"]).(map[string]any)["secrets"].([]any) {
			got[s.(map[string]any)["name"].(string)] = s.(map[string]any)["value"]
		}
		for name, value := range map[string]string{
			"redis-url": want, "entra-tenant": minimal()["entra:tenantId"],
			"entra-audiences": minimal()["entra:serverAppId"] + ",api://" + minimal()["entra:serverAppId"],
			"otlp-headers":    headers,
		} {
			if got[name] != value {
				t.Errorf("redis:kind=%s: %s is %v, want %s", kind, name, got[name], value)
			}
		}
	}
}

func TestSecretConfigurationStaysSecret(t *testing.T) {
	d, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "p", Stack: "s",
		Config: with(map[string]string{"server:allowedHosts": "internal.example.com"}), SecretConfig: []string{"server:allowedHosts"}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(render(t, d)), "internal.example.com") {
		t.Error("a value that was configured as a secret is a plain input")
	}
}

// What the infrastructure sets, the server reads.
func TestVariablesAreTheServers(t *testing.T) {
	table, err := os.ReadFile(filepath.FromSlash("../../server/internal/config/variables.md"))
	if err != nil {
		t.Fatal(err)
	}
	read := []string{"GOMEMLIMIT", "GOMAXPROCS"} // by Go itself
	for _, name := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)`").FindAllStringSubmatch(string(table), -1) {
		read = append(read, name[1])
	}
	cfg := everything()
	certificate, err := os.ReadFile(filepath.FromSlash("testdata/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg["server:tlsCa"] = string(certificate)
	set := appInputs(t, cfg)["template"].(map[string]any)["containers"].([]any)[0].(map[string]any)["env"].([]any)
	if len(set) != 9+11 {
		t.Errorf("the app sets %d variables: %v", len(set), set)
	}
	for _, v := range set {
		if name := v.(map[string]any)["name"].(string); !slices.Contains(read, name) {
			t.Errorf("the app sets %s, which the server does not read; it reads %v", name, read)
		}
	}
}

func TestAppWaitsForItsRole(t *testing.T) {
	d := declaration(t, minimal())
	r, err := d.Resource("azure-native:app:ContainerApp")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.DependsOn, func(urn string) bool { return strings.HasSuffix(urn, "RoleAssignment::pull") }) {
		t.Errorf("the app does not wait for AcrPull: %v", r.DependsOn)
	}
	if slices.ContainsFunc(d.Calls, func(token string) bool { return strings.HasSuffix(token, ":listRegistryCredentials") }) {
		t.Error("the admin user's password is asked for, though it is off")
	}
}

func TestAdminUserNeedsNoRole(t *testing.T) {
	d := declaration(t, with(map[string]string{"registry:adminUser": "true"}))
	if _, err := d.Resource("azure-native:authorization:RoleAssignment"); err == nil {
		t.Error("a role is assigned, which the admin user is there to avoid")
	}
}

func TestImageIsPushedByHooks(t *testing.T) {
	server := t.TempDir()
	version, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go"), " ") // the toolchain at hand
	for name, content := range map[string]string{"go.mod": "module example.com/server\n\ngo " + version + "\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(server, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := program()
	p.Image = func(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
		return image.Deploy(ctx, image.Options{Module: server}, to)
	}
	d, err := evaluate.Run(p.Deploy, evaluate.Options{Project: "p", Stack: "s", Config: minimal(), Azure: evaluate.Azure{LoginServer: "registry.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Resources {
		create, change := 0, 0
		if strings.HasSuffix(r.Type, ":ContainerApp") {
			create, change = 2, 1 // pushed at both, at the first with a wait for the role
		}
		if len(r.BeforeCreate) != create || len(r.BeforeUpdate) != change {
			t.Errorf("%s: hooks before create %v, before update %v", r.Type, r.BeforeCreate, r.BeforeUpdate)
		}
	}
}

// outcome is what a stack's output came to.
type outcome struct {
	value  any
	secret bool
}

func outputsOf(t *testing.T, cfg map[string]string) map[string]outcome {
	t.Helper()
	var mu sync.Mutex
	all := map[string]outcome{}
	_, err := evaluate.Run(func(ctx *pulumi.Context) error {
		outputs, err := program().declare(ctx)
		for name, input := range outputs {
			output := pulumi.ToOutput(input)
			ctx.Export(name, output.ApplyT(func(value any) any { // exported to be waited for
				mu.Lock()
				defer mu.Unlock()
				all[name] = outcome{value, pulumi.IsSecret(output)}
				return nil
			}))
		}
		return err
	}, evaluate.Options{Project: "prynai-mcp", Stack: "dev", Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOutputs(t *testing.T) {
	const host = "prynai-mcp-dev.happysea-01234567.westeurope.azurecontainerapps.io"
	got := outputsOf(t, minimal())
	for name, want := range map[string]string{
		"resourceGroup": "prynai-mcp-dev", "containerApp": "prynai-mcp-dev", "image": "registry.azurecr.io/prynai-mcp@sha256:0",
		"fqdn": host, "mcpUrl": "https://" + host + "/mcp", "healthUrl": "https://" + host + "/healthz",
	} {
		if got[name] != (outcome{want, false}) {
			t.Errorf("%s is %+v, want %s and no secret", name, got[name], want)
		}
	}
	if len(got) != 10 {
		t.Errorf("got %d outputs", len(got))
	}
	var editor struct {
		Inputs []struct {
			Type, ID string
			Password bool
		}
		Servers map[string]struct {
			Type, URL string
			Headers   map[string]string
		}
	}
	text, _ := got["vscodeMcpJson"].value.(string)
	if err := json.Unmarshal([]byte(text), &editor); err != nil || got["vscodeMcpJson"].secret {
		t.Fatalf("%v: %+v", err, got["vscodeMcpJson"])
	}
	server := editor.Servers["prynai-mcp"]
	if len(editor.Inputs) != 1 || editor.Inputs[0].Type != "promptString" || !editor.Inputs[0].Password || server.Type != "http" ||
		server.URL != "https://"+host+"/mcp" || server.Headers["Authorization"] != "Bearer ${input:"+editor.Inputs[0].ID+"}" {
		t.Errorf("got %s", text)
	}

	own := outputsOf(t, with(map[string]string{"server:publicUrl": "https://mcp.example.com"}))
	if own["mcpUrl"].value != "https://mcp.example.com/mcp" || own["fqdn"].value != host {
		t.Errorf("with a host name of one's own: %+v", own)
	}
}
