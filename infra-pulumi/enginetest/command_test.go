package enginetest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/languagehost"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
)

// TestCommand is what a person does: the pulumi command in the repository's root, with
// its Pulumi.yaml and go.work, which builds infra-pulumi and runs it.
func TestCommand(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	host, err := languagehost.Serve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	maps.Copy(e.env, host.Env())
	e.configure(t, "enginetest")

	if out := e.pulumi(t, "preview"); !strings.Contains(out, "+ 10 to create") || !strings.Contains(out, "sha256:") {
		t.Errorf("preview:\n%s", out)
	}
	e.step(t, "pulumi preview")

	if out := e.pulumi(t, "up", "--yes", "--skip-preview"); !strings.Contains(out, "+ 10 created") || !strings.Contains(out, "mcpUrl") {
		t.Errorf("up:\n%s", out)
	}
	if images, _ := e.pushes(); images != 1 {
		t.Errorf("up pushed %d images", images)
	}
	e.step(t, "pulumi up")

	if out := e.pulumi(t, "up", "--yes", "--skip-preview", "--expect-no-changes"); !strings.Contains(out, "10 unchanged") {
		t.Errorf("up again:\n%s", out)
	}
	if _, requests := e.pushes(); requests > 0 {
		t.Errorf("up again asked the registry %d times", requests)
	}
	e.step(t, "pulumi up again")

	e.pulumi(t, "destroy", "--yes", "--skip-preview")
	if left := e.cloud.Resources(); len(left) > 0 {
		t.Errorf("destroy left %v", left)
	}
	e.step(t, "pulumi destroy")
}

// configure makes a stack whose configuration lies outside the repository.
func (e *engine) configure(t *testing.T, stack string) {
	t.Helper()
	root, err := image.Root()
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(root, "Pulumi."+stack+".yaml")
	t.Cleanup(func() { _ = os.Remove(made) }) // where init fails half-way
	e.run(t, "stack", "init", stack)
	content, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(made); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "configuration.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e.flags = []string{"--stack", stack, "--config-file", file}
	for key, value := range configuration {
		e.pulumi(t, "config", "set", key, value)
	}
	e.step(t, "pulumi stack init, config set")
}

// pulumi runs a command on the configured stack.
func (e *engine) pulumi(t *testing.T, args ...string) string {
	t.Helper()
	return e.run(t, append(args, e.flags...)...)
}

// run runs the pulumi command in the repository's root and answers what it printed.
func (e *engine) run(t *testing.T, args ...string) string {
	t.Helper()
	root, err := image.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), e.cli.Path, append(args, "--non-interactive")...)
	cmd.Dir = root
	cmd.Env = os.Environ()
	for name, value := range e.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("pulumi %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String()
}
