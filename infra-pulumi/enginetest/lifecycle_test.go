package enginetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/testserver"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TestLifecycle takes one stack through all that happens to it, from the first preview
// to its end.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	server := newServer(t)
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: imageOf(server)}.Deploy)
	digest := func() string {
		t.Helper()
		img, err := image.Build(ctx, image.Options{Module: server})
		if err != nil {
			t.Fatal(err)
		}
		return img.Digest
	}
	e.step(t, "stack configured")

	first := digest()
	e.step(t, "image built")

	preview, err := s.Preview(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(preview.StdOut, first) {
		t.Errorf("the first preview does not name the image %s:\n%s", first, preview.StdOut)
	}
	if got := changes(preview.ChangeSummary); got != "map[create:10]" {
		t.Errorf("the first preview: %s", got)
	}
	if left := e.cloud.Resources(); len(left) > 0 {
		t.Errorf("the preview made %v", left)
	}
	if images, requests := e.pushes(); images+requests > 0 {
		t.Errorf("the preview pushed %d images in %d requests", images, requests)
	}
	e.step(t, "preview of a new stack")

	up, err := s.Up(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if images, _ := e.pushes(); images != 1 {
		t.Errorf("the first up pushed %d images", images)
	}
	exported := map[string]string{}
	for name, o := range up.Outputs {
		if o.Secret {
			t.Errorf("the output %s is secret; people need it", name)
		}
		exported[name], _ = o.Value.(string)
	}
	for name, want := range map[string]string{
		"fqdn":          "stand-in.azurecontainerapps.example",
		"mcpUrl":        "/mcp",
		"healthUrl":     "/healthz",
		"image":         e.registry.Host + "/" + image.Repository + "@" + first,
		"resourceGroup": project + "-test",
		"containerApp":  project + "-test",
		"vscodeMcpJson": "promptString",
	} {
		if !strings.Contains(exported[name], want) {
			t.Errorf("the output %s is %q, want something with %q", name, exported[name], want)
		}
	}
	if e.hasSecret(up.StdOut + up.StdErr) {
		t.Error("up printed a secret")
	}
	e.noSecrets(t)
	if !e.hasSecret(e.run(t, "stack", "export", "--stack", "test", "--show-secrets")) {
		t.Error("the decrypted state has none of the secrets: nothing was looked for in the encrypted one")
	}
	e.step(t, "up: everything is made, one image pushed")

	e.unchanged(t, s)
	if images, requests := e.pushes(); images+requests > 0 {
		t.Errorf("an up without changes pushed %d images in %d requests", images, requests)
	}
	e.step(t, "up again: nothing changes, the registry is not asked")

	if err := testserver.Change(server); err != nil {
		t.Fatal(err)
	}
	second := digest()
	preview, err = s.Preview(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if second == first || !strings.Contains(preview.StdOut, second) {
		t.Errorf("the preview of a new source does not name the image %s:\n%s", second, preview.StdOut)
	}
	if got := changes(preview.ChangeSummary); got != "map[update:1]" {
		t.Errorf("the preview of a new source: %s", got)
	}
	if _, requests := e.pushes(); requests > 0 {
		t.Errorf("the preview of a new source asked the registry %d times", requests)
	}
	e.step(t, "preview of a new source: names its digest")

	up, err = s.Up(unread(ctx, outputs))
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(*up.Summary.ResourceChanges); got != "map[update:1]" {
		t.Errorf("a new source: %s", got)
	}
	if images, _ := e.pushes(); images != 1 {
		t.Errorf("a new source pushed %d images", images)
	}
	if n := e.revisions(t); n != 2 {
		t.Errorf("a new source: the app has %d revisions, want 2", n)
	}
	e.step(t, "up with a new source: the app changes, one image pushed")

	e.drift(t, s)
	e.step(t, "drift: seen by refresh, mended by up")

	destroyed, err := s.Destroy(unread(ctx, history))
	if err != nil {
		t.Fatal(err)
	}
	if left := e.cloud.Resources(); len(left) > 0 {
		t.Errorf("destroy left %v\n%s", left, destroyed.StdOut)
	}
	e.step(t, "destroy: nothing is left")
}

// newServer is the source of a server, to be changed. TestCommand deploys the real one.
func newServer(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "server")
	if err := testserver.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// imageOf deploys the image of the server's source in that folder.
func imageOf(server string) stack.ImageFunc {
	return func(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
		return image.Deploy(ctx, image.Options{Module: server}, to)
	}
}

func (e *engine) revisions(t *testing.T) int {
	t.Helper()
	revisions, err := e.cloud.Revisions("app")
	if err != nil {
		t.Fatal(err)
	}
	return len(revisions)
}
