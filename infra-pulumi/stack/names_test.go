package stack

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Azure's rules for names, from its documentation and its types. A container app's is the narrowest of those for
// names within a group: group, environment, identity and workspace may be called the same.
var (
	appRule       = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}[a-z0-9]$`)
	workspaceRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`)
	redisRule     = regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)
	registryRule  = regexp.MustCompile(`^[a-z0-9]{5,50}$`)
	vaultRule     = regexp.MustCompile(`^[a-z][a-z0-9-]{1,22}[a-z0-9]$`)
)

func checkNames(t *testing.T, n names) {
	t.Helper()
	if local := n.local(); !appRule.MatchString(local) || strings.Contains(local, "--") || !workspaceRule.MatchString(local) {
		t.Errorf("%q/%q: local name %q", n.project, n.stack, local)
	}
	if global := n.global(); !redisRule.MatchString(global) || len(global) > 60 {
		t.Errorf("%q/%q: global name %q", n.project, n.stack, global)
	}
	if registry := n.registry(); !registryRule.MatchString(registry) {
		t.Errorf("%q/%q: registry %q", n.project, n.stack, registry)
	}
	if vault := n.vault(); !vaultRule.MatchString(vault) || strings.Contains(vault, "--") {
		t.Errorf("%q/%q: vault %q", n.project, n.stack, vault)
	}
	if _, err := uuid.Parse(n.role("pull")); err != nil {
		t.Errorf("%q/%q: role assignment %q", n.project, n.stack, n.role("pull"))
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ project, stack, local string }{
		{"prynai-mcp", "dev", "prynai-mcp-dev"},
		{"prynai-mcp", "prod", "prynai-mcp-prod"},
		{"prynai-mcp", "exactly-twenty-one-ch", "prynai-mcp-exactly-twenty-one-ch"},
		{"prynai-mcp", "exactly-twenty-two-chs", "prynai-mcp-exactly-twenty-v7vqqj"},
		{"prynai-mcp", "Dev", "prynai-mcp-dev-o16urp"},
		{"prynai-mcp", "a.b", "prynai-mcp-a-b-5aq4f2"},
		{"prynai-mcp", "a_b", "prynai-mcp-a-b-t4jebk"},
		{"prynai-mcp", "-", "prynai-mcp-0gfk0l"},
		{"2048", "dev", "mcp-2048-dev-3ug778"},
		{"_", "_", "mcp-etr7eq"},
	} {
		n := names{"subscription", c.project, c.stack}
		if got := n.local(); got != c.local {
			t.Errorf("%s, %s: got %s, want %s", c.project, c.stack, got, c.local)
		}
		checkNames(t, n)
	}
}

func TestGlobalNamesDifferByOwner(t *testing.T) {
	seen := map[string]names{}
	for _, n := range []names{{"s1", "p", "dev"}, {"s2", "p", "dev"}, {"s1", "q", "dev"}, {"s1", "p", "prod"}, {"s1", "p-dev", "x"}, {"s1", "p", "dev-x"}} {
		for _, name := range []string{n.global(), n.registry()} {
			if other, taken := seen[name]; taken {
				t.Errorf("%v and %v are both called %s", other, n, name)
			}
			seen[name] = n
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("prynai-mcp", "dev")
	f.Add("", "")
	f.Add("9", strings.Repeat("A-._", 25))
	f.Add("ÄÖ", "日本")
	f.Fuzz(func(t *testing.T, project, stack string) { checkNames(t, names{"subscription", project, stack}) })
}
