package enginetest

import (
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

// TestRedisKinds brings a stack up with each kind of Redis, and takes it from one to
// the other and back.
func TestRedisKinds(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	const managed, classic = "Microsoft.Cache/redisEnterprise Microsoft.Cache/redisEnterprise/databases", "Microsoft.Cache/redis"
	for _, test := range []struct{ kind, want string }{
		{"managed", managed},
		{"classic", classic},
		{"existing", ""},
		{"managed", managed},
	} {
		if test.kind == "existing" {
			setSecret(t, s, "redis:url", existingURL)
		} else if err := s.RemoveConfig(t.Context(), "redis:url"); err != nil {
			t.Fatal(err)
		}
		set(t, s, "redis:kind", test.kind)
		e.mustUp(t, s)
		if got := e.caches(); got != test.want {
			t.Errorf("with redis:kind %s there are %s, want %s", test.kind, got, test.want)
		}
		e.noSecrets(t)
		e.noText(t, existingPassword)
		e.step(t, "up with redis:kind "+test.kind)
	}
	e.unchanged(t, s)
	if _, err := s.Destroy(unread(t.Context(), history)); err != nil {
		t.Error(err)
	}
	e.step(t, "up without changes, destroy")
}

// A Redis which is not made here.
const (
	existingPassword = "password-of-the-existing-redis"
	existingURL      = "rediss://default:" + existingPassword + "@redis.example.com:6380"
)

// TestRedisKeys rotates both keys of a Redis without a moment in which the server has a key
// that is not valid: each switch makes a revision that has the other one.
func TestRedisKeys(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	e.mustUp(t, s)
	set(t, s, "redis:key", "secondary")
	e.expectRevision(t, s, 2, "the secondary key")
	set(t, s, "redis:key", "primary")
	e.expectRevision(t, s, 3, "the primary key")
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
