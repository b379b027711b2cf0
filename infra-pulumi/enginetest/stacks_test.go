package enginetest

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"gopkg.in/yaml.v3"
)

// everything is the configuration with all that can be turned on around the app.
var everything = map[string]string{
	"secrets:store": "vault", "alerts:email": "operations@example.com", "logs:diagnostics": "true", "network:private": "true",
}

// TestStacks takes the two documented stacks, and one with everything around the app that can be turned on, through
// their lives.
func TestStacks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config    map[string]string
		types     []string // among what is made
		protected bool
	}{
		"dev": {config: configured(t, "dev"), types: []string{"Microsoft.Cache/redisEnterprise"}},
		"prod": {config: configured(t, "prod"), protected: true,
			types: []string{"Microsoft.Network/privateEndpoints", "Microsoft.Insights/diagnosticSettings"}},
		"everything": {config: everything,
			types: []string{"Microsoft.KeyVault/vaults/secrets", "Microsoft.Insights/metricAlerts", "Microsoft.Network/privateDnsZones/virtualNetworkLinks"}},
		"everything, classic": {config: with(everything, "redis:kind", "classic"), types: []string{"Microsoft.Cache/redis"}},
		"existing Redis":      {config: map[string]string{"redis:kind": "existing", "redis:url": existingURL}, types: []string{"Microsoft.App/containerApps"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy, test.config)
			if _, err := s.Preview(t.Context()); err != nil {
				t.Fatal(err)
			}
			e.mustUp(t, s)
			e.step(t, "preview, up")
			for _, wanted := range test.types {
				if !slices.ContainsFunc(e.cloud.Resources(), func(r standin.Resource) bool { return r.Type == wanted }) {
					t.Errorf("there is no %s", wanted)
				}
			}
			e.noSecrets(t)
			e.noText(t, existingPassword)
			e.unchanged(t, s)
			refreshed, err := s.Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := changes(*refreshed.Summary.ResourceChanges); got != "map[]" {
				t.Errorf("refresh of what nobody changed saw %s\n%s", got, refreshed.StdOut)
			}
			e.step(t, "up again, refresh: nothing changes")
			e.end(t, s, test.protected)
		})
	}
}

// end destroys a stack; what holds data is kept where it is protected, unless the release command destroys it, which asks first.
func (e *engine) end(t *testing.T, s auto.Stack, protected bool) {
	t.Helper()
	if protected {
		if _, err := s.Destroy(t.Context()); err == nil || !strings.Contains(err.Error(), "protect") {
			t.Errorf("destroy of a protected stack: %v", err)
		}
		var left []string
		for _, r := range e.cloud.Resources() {
			left = append(left, r.Name)
		}
		if got := strings.Join(left, " "); got != "group redis redis-database" {
			t.Errorf("destroy of a protected stack left %s", got)
		}
	}
	if err := azure.Destroy(unread(t.Context(), history), s, t.Output()); err != nil {
		t.Error(err)
	}
	if left := e.cloud.Resources(); len(left) > 0 {
		t.Errorf("destroy left %v", left)
	}
	e.step(t, "destroy")
}

// TestRedisIsProtected switches a protected stack to another kind of Redis, which would delete the old one.
func TestRedisIsProtected(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy, map[string]string{"data:protect": "true"})
	e.mustUp(t, s)
	set(t, s, "redis:kind", "classic")
	if _, err := s.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "protect") {
		t.Errorf("got %v", err)
	}
	if got := e.caches(); !strings.Contains(got, "Microsoft.Cache/redisEnterprise") {
		t.Errorf("left: %s", got)
	}
	e.step(t, "another kind of Redis in a protected stack")
}

// TestDomain goes the steps to a domain of one's own, and back.
func TestDomain(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy, map[string]string{"domain:name": "mcp.example.com"})
	for _, step := range []struct{ name, next string }{
		{"dns", "CNAME  mcp.example.com  prynai-mcp-test.stand-in"}, {"certificate", "domain:step bound"}, {"bound", "is served"}, {"bound", "is served"},
		{"certificate", "domain:step bound"}, {"dns", "TXT    asuid.mcp.example.com"},
	} {
		set(t, s, "domain:step", step.name)
		up, err := s.Up(unread(t.Context(), history))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if next, _ := up.Outputs["domainNext"].Value.(string); !strings.Contains(next, step.next) || up.Outputs["domainNext"].Secret {
			t.Errorf("%s: next is %q, want %s", step.name, next, step.next)
		}
		if url, _ := up.Outputs["mcpUrl"].Value.(string); (url == "https://mcp.example.com/mcp") != (step.name == "bound") {
			t.Errorf("%s: the URL is %s", step.name, url)
		}
		e.step(t, "up with domain:step "+step.name)
	}
	set(t, s, "domain:step", "certificate")
	e.mustUp(t, s)
	set(t, s, "domain:step", "bound")
	e.mustUp(t, s)
	e.end(t, s, false)
}

// configured is what a stack of the repository has in its file.
func configured(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../Pulumi." + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Config map[string]string
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Config
}

func with(config map[string]string, key, value string) map[string]string {
	config = maps.Clone(config)
	config[key] = value
	return config
}
