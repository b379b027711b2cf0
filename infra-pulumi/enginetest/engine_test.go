package enginetest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/pulumicli"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/image/registrytest"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// sharedTypes holds Azure's types, where this repository has them beside it.
const sharedTypes = "../../../shared/azure-types"

const project = "prynai-mcp" // as Pulumi.yaml has it

// configuration is the least that a stack needs.
var configuration = map[string]string{
	"azure-native:location": "westeurope",
	"entra:tenantId":        "11111111-1111-1111-1111-111111111111",
	"entra:serverAppId":     "22222222-2222-2222-2222-222222222222",
}

// engine is a pulumi command with a pretend Azure, a registry and a backend of its own.
type engine struct {
	cli      *pulumicli.CLI
	cloud    *standin.Cloud
	registry *registrytest.Server
	backend  string // folder with the state
	env      map[string]string
	flags    []string // that select the stack, for the command
	begun    time.Time
}

// newEngine has a registry that takes the Azure login of whoever deploys.
func newEngine(t *testing.T) *engine {
	t.Helper()
	registry := registrytest.New(t, registrytest.Options{AzureToken: standin.Token})
	e := newEngineWith(t, registry.Host)
	e.registry = registry
	return e
}

// newEngineWith has the registry at that address.
func newEngineWith(t *testing.T, loginServer string) *engine {
	t.Helper()
	return newEngineOn(t, standin.Options{LoginServer: loginServer})
}

// newEngineOn has an Azure of that kind.
func newEngineOn(t *testing.T, o standin.Options) *engine {
	t.Helper()
	if os.Getenv("PRYNAI_ENGINE") != "1" {
		t.Skip("SKIPPED: the tests with the real Pulumi engine run with PRYNAI_ENGINE=1, as `go tool task engine` sets it")
	}
	cli, err := findCLI()
	if err != nil {
		t.Fatal(err)
	}
	o.Types = azureTypes(t)
	o.Subscription = manager.subscription()
	cloud := standin.New(o)
	manager.serve(o.Subscription, cloud)
	server, err := cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		notChecked(t, cloud.Unchecked())
	})
	dir := t.TempDir()
	e := &engine{cli: cli, cloud: cloud, backend: filepath.Join(dir, "state"), begun: time.Now()}
	if err := os.Mkdir(e.backend, 0o700); err != nil {
		t.Fatal(err)
	}
	e.env = map[string]string{
		"PULUMI_BACKEND_URL":       "file://" + filepath.ToSlash(e.backend),
		"PULUMI_HOME":              filepath.Join(dir, "home"),
		"PULUMI_CONFIG_PASSPHRASE": "a passphrase for tests",
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		"GOGC":                     "400", // the processes are short-lived
	}
	maps.Copy(e.env, server.Env())
	return e
}

// notShared are the types whose bodies nothing here can check.
var notShared = []string{
	"Microsoft.App/managedEnvironments/managedCertificates@2025-01-01",
	"Microsoft.Insights/actionGroups@2023-01-01",
	"Microsoft.Insights/metricAlerts@2018-03-01",
	"Microsoft.KeyVault/vaults/secrets@2023-07-01",
	"Microsoft.KeyVault/vaults@2023-07-01",
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01",
	"Microsoft.Network/privateDnsZones@2020-06-01",
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2023-09-01",
	"Microsoft.Network/privateEndpoints@2023-09-01",
	"Microsoft.Network/virtualNetworks@2023-09-01",
}

// notChecked names the types that were not checked, which must be known: another API version would go unchecked too.
func notChecked(t *testing.T, types []string) {
	if len(types) > 0 {
		t.Logf("NOT CHECKED against Azure's types, which do not have them: %s", strings.Join(types, ", "))
	}
	for _, name := range types {
		if !slices.Contains(notShared, name) {
			t.Errorf("%s is not among Azure's types: take an API version that is, or say that it cannot be checked", name)
		}
	}
}

// azureTypes are nil where the folder is missing, which is said.
func azureTypes(t *testing.T) *armtypes.Set {
	t.Helper()
	types, err := armtypes.Load(os.DirFS(sharedTypes))
	if os.IsNotExist(err) {
		t.Logf("NOT CHECKED against Azure's types: %s is not there", sharedTypes)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// stack makes a stack with the least configuration, and more, which runs program in this process.
func (e *engine) stack(t *testing.T, program pulumi.RunFunc, more ...map[string]string) auto.Stack {
	t.Helper()
	s, err := auto.NewStackInlineSource(t.Context(), "test", project, program,
		auto.Pulumi(command{e.cli.Command}),
		auto.PulumiHome(e.env["PULUMI_HOME"]),
		auto.EnvVars(e.env),
		auto.Project(workspace.Project{
			Name:    tokens.PackageName(project),
			Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: e.env["PULUMI_BACKEND_URL"]},
		}))
	if err != nil {
		t.Fatal(err)
	}
	config := auto.ConfigMap{}
	for _, values := range append([]map[string]string{configuration}, more...) {
		for key, value := range values {
			config[key] = auto.ConfigValue{Value: value, Secret: key == "redis:url"}
		}
	}
	if err := s.SetAllConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return s
}

// mustUp brings a stack up.
func (e *engine) mustUp(t *testing.T, s auto.Stack) {
	t.Helper()
	if _, err := s.Up(unread(t.Context(), outputs, history)); err != nil {
		t.Fatal(err)
	}
}

// unchanged brings up a stack that is as it should be.
func (e *engine) unchanged(t *testing.T, s auto.Stack) {
	t.Helper()
	if _, err := s.Up(unread(t.Context(), outputs, history), optup.ExpectNoChanges()); err != nil {
		t.Error(err)
	}
}

// step tells how long a step took, the first one from the start of the engine.
func (e *engine) step(t *testing.T, name string) {
	t.Helper()
	t.Logf("%6.1f s  %s: %s", time.Since(e.begun).Seconds(), t.Name(), name)
	e.begun = time.Now()
}

// pushes counts the images that the registry got since the last call, and all requests.
func (e *engine) pushes() (images, requests int) {
	all := e.registry.Requests()
	for _, r := range all {
		// An image's tag comes last; what goes by digest is the image itself and what stands beside it.
		if strings.HasPrefix(r, "PUT /v2/") && strings.Contains(r, "/manifests/") && !strings.Contains(r, "/manifests/sha256") {
			images++
		}
	}
	return images, len(all)
}

// noSecrets looks through everything that the engine wrote for secrets of the cloud.
func (e *engine) noSecrets(t *testing.T) {
	t.Helper()
	e.noFile(t, e.hasSecret)
}

// noText looks through everything that the engine wrote for one secret.
func (e *engine) noText(t *testing.T, secret string) {
	t.Helper()
	e.noFile(t, func(content string) bool { return strings.Contains(content, secret) })
}

func (e *engine) noFile(t *testing.T, has func(content string) bool) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(e.backend, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if has(string(content)) {
			t.Errorf("%s has a secret in plain text", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files of state, %v", files, err)
	}
}

// hasSecret tells whether a text has a key, password or token of the cloud in it.
func (e *engine) hasSecret(text string) bool {
	return slices.ContainsFunc(e.cloud.Secrets(), func(secret string) bool {
		return strings.Contains(text, recognizable(secret))
	})
}

// recognizable is the longest part of a secret that no encoding changes.
func recognizable(secret string) string {
	longest := ""
	for _, part := range strings.FieldsFunc(secret, func(r rune) bool { return strings.ContainsRune("+/=", r) }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// changes is a summary of operations as one line, without what stayed the same.
func changes[K ~string](summary map[K]int) string {
	out := map[string]int{}
	for op, n := range summary {
		if op != "same" {
			out[string(op)] = n
		}
	}
	return fmt.Sprint(out)
}

// set configures one value.
func set(t *testing.T, s auto.Stack, key, value string) {
	t.Helper()
	if err := s.SetConfig(t.Context(), key, auto.ConfigValue{Value: value}); err != nil {
		t.Fatal(err)
	}
}

func setSecret(t *testing.T, s auto.Stack, key, value string) {
	t.Helper()
	if err := s.SetConfig(t.Context(), key, auto.ConfigValue{Value: value, Secret: true}); err != nil {
		t.Fatal(err)
	}
}

func noEnvironment(string) string { return "" }

// noImage stands for an image that is in the registry already, where a test is not
// about images.
func noImage(_ *pulumi.Context, to image.Registry) (*image.Deployed, error) {
	return &image.Deployed{Ref: pulumi.Sprintf("%s/%s@sha256:%064d", to.Server, image.Repository, 0)}, nil
}
