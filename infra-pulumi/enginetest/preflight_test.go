package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

// TestPreflight deploys to a subscription that may not use everything yet: a preview and an
// up name all that is missing, and nothing is made before.
func TestPreflight(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	e.cloud.Unregister("Microsoft.App")
	e.cloud.Unregister("Microsoft.Cache")
	_, previewed := s.Preview(t.Context())
	_, deployed := s.Up(t.Context())
	for what, err := range map[string]error{"preview": previewed, "up": deployed} {
		for _, command := range []string{"az provider register --wait --namespace Microsoft.App", "az provider register --wait --namespace Microsoft.Cache"} {
			if err == nil || !strings.Contains(err.Error(), command) {
				t.Errorf("%s: got %v, want %s", what, err, command)
			}
		}
	}
	if made := e.cloud.Resources(); len(made) > 0 {
		t.Errorf("made before: %v", made)
	}
	e.cloud.Register("Microsoft.App")
	e.cloud.Register("Microsoft.Cache")
	e.mustUp(t, s)
	e.step(t, "preview and up without resource providers, up with them")
}

// TestCompileErrorLeavesNothing deploys a server that does not compile.
func TestCompileErrorLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	server := newServer(t)
	if err := os.WriteFile(filepath.Join(server, "mistake.go"), []byte("package main\n\nvar mistake int = \"text\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: imageOf(server)}.Deploy)
	if _, err := s.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "mistake.go") {
		t.Errorf("got %v", err)
	}
	if made := e.cloud.Resources(); len(made) > 0 {
		t.Errorf("left behind: %v", made)
	}
	e.step(t, "up of a server that does not compile")
}

// TestReaderPreviews previews as the workflow on pull requests does, with an identity that may list no keys.
func TestReaderPreviews(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"managed", "classic"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy, map[string]string{"redis:kind": kind})
			e.mustUp(t, s)
			e.cloud.ReadOnly(true)
			set(t, s, "server:maxReplicas", "7")
			preview, err := s.Preview(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := changes(preview.ChangeSummary); !strings.Contains(got, "update:") || strings.Contains(got, "replace") || strings.Contains(got, "delete") || strings.Contains(got, "create") {
				t.Errorf("the preview foresees %s", got)
			}
			if !strings.Contains(preview.StdOut, "may not read the keys") {
				t.Errorf("the preview does not say what it may not do:\n%s", preview.StdOut)
			}
			if _, err := s.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "AuthorizationFailed") {
				t.Errorf("up with an identity that only reads: %v", err)
			}
			e.step(t, "preview with an identity that only reads, redis:kind "+kind)
		})
	}
}

// TestNewRoleIsAwaited has a role that gets old enough for the app to rely on it while the
// stack is made.
func TestNewRoleIsAwaited(t *testing.T) {
	t.Parallel()
	usable := time.Now().Add(8 * time.Second)
	e := newEngineOn(t, standin.Options{Granted: usable.Add(-3 * time.Minute)})
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: noImage}.Deploy)
	up, err := s.Up(unread(t.Context(), outputs, history))
	if err != nil {
		t.Fatal(err)
	}
	if early := time.Until(usable); early > 0 {
		t.Errorf("the app was made %s too early", early)
	}
	e.step(t, fmt.Sprintf("up with a new role (it had to wait: %v)", strings.Contains(up.StdOut, "role assignment is new")))
}
