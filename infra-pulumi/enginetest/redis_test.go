package enginetest

import (
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

// TestRedisKinds brings a stack up with each kind of Redis, and takes it from one to
// the other and back.
func TestRedisKinds(t *testing.T) {
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	const managed, classic = "Microsoft.Cache/redisEnterprise Microsoft.Cache/redisEnterprise/databases", "Microsoft.Cache/redis"
	for _, test := range []struct{ kind, want string }{
		{"managed", managed},
		{"classic", classic},
		{"managed", managed},
	} {
		set(t, s, "redis:kind", test.kind)
		if _, err := s.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := e.caches(); got != test.want {
			t.Errorf("with redis:kind %s there are %s, want %s", test.kind, got, test.want)
		}
		e.noSecrets(t)
		e.step(t, "up with redis:kind "+test.kind)
	}
	if _, err := s.Up(t.Context(), optup.ExpectNoChanges()); err != nil {
		t.Error(err)
	}
	if _, err := s.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
	e.step(t, "up without changes, destroy")
}

// caches lists the types of the caches that there are.
func (e *engine) caches() string {
	var types []string
	for _, r := range e.cloud.Resources() {
		if strings.HasPrefix(r.Type, "Microsoft.Cache/") {
			types = append(types, r.Type)
		}
	}
	return strings.Join(types, " ")
}
