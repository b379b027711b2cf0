package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

func (p *progress) buildImage(ctx context.Context, registry *imageRegistry) (img *image.Image, err error) {
	what := fmt.Sprintf("image      compiling the server for %s/%s", runtime.GOOS, runtime.GOARCH)
	took, err := p.step(what, func() error {
		img, err = registry.publish(ctx)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	note := "the same as on Azure"
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		note = "Azure's is for linux/amd64, so its digest differs"
	}
	p.say("image      %s, build %s, in %s (%s)", img.Digest, img.Build, took, note)
	return img, nil
}

func (p *progress) buildSmoke(ctx context.Context, path string) error {
	took, err := p.step("smoke      compiling the smoke client", func() error { return proof.Build(ctx, path) })
	if err == nil {
		p.say("smoke      %s, in %s", path, took)
	}
	return err
}

// announce says how to use what runs.
func (d *deployment) announce() error {
	plainURL := fmt.Sprintf("http://127.0.0.1:%d/mcp", d.plainPort)
	snippet, err := stack.VSCode(plainURL)
	if err != nil {
		return err
	}
	authorityFile := filepath.Join(d.cache, fmt.Sprintf("ca-%d.pem", d.port))
	if err := os.WriteFile(authorityFile, []byte(d.azure.ca.pem), 0o600); err != nil {
		return fmt.Errorf("save the authority's certificate: %w", err)
	}
	again := "go run ./infra-pulumi/local"
	if d.port != defaultPort {
		again += fmt.Sprintf(" --port %d", d.port)
	}
	_, err = fmt.Fprintf(d.out, `
PrynAI MCP runs on this machine.

  MCP URL       %[1]s/mcp
                its certificate is by an authority of this run: curl --cacert %[2]q
  without TLS   %[3]s (for clients that reject it, such as VS Code)
  health        %[1]s/healthz
  get a token   %[4]s smoke token --raw
  test again    %[4]s smoke

.vscode/mcp.json, which asks for the token:
%[5]s

Enter releases the server as it is then: what is connected loses nothing, and a
version that does not hold gets no requests. Ctrl-C ends it.
`, d.url, authorityFile, plainURL, again, snippet)
	return err
}
