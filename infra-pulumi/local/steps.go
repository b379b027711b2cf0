package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
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

func (p *progress) buildSmoke(ctx context.Context, cache string) (path string, err error) {
	took, err := p.step("smoke      compiling the smoke client", func() error {
		path, err = buildSmoke(ctx, cache)
		return err
	})
	if err == nil {
		p.say("smoke      %s, in %s", path, took)
	}
	return path, err
}

func (p *progress) awaitReady(ctx context.Context, revision *replica.Revision) error {
	took, err := p.step(fmt.Sprintf("replicas   waiting until %d of revision %s are ready", len(revision.Replicas()), revision.Name()), func() error {
		return revision.WaitReady(ctx)
	})
	if err != nil {
		return err
	}
	p.say("replicas   ready in %s; all is as declared but for the address they listen on:", took)
	for _, r := range revision.Replicas() {
		p.say("           %s: LISTEN_ADDR=%s instead of %s", r.Name(), r.ListenAddress(), r.DeclaredAddress())
	}
	return nil
}

// announce says how to use what runs.
func announce(out io.Writer, o options, publicURL string, ca *authority, cache string) error {
	plainURL := fmt.Sprintf("http://127.0.0.1:%d/mcp", o.plainPort)
	snippet, err := stack.VSCode(plainURL)
	if err != nil {
		return err
	}
	authorityFile := filepath.Join(cache, fmt.Sprintf("ca-%d.pem", o.port))
	if err := os.WriteFile(authorityFile, []byte(ca.pem), 0o600); err != nil {
		return fmt.Errorf("save the authority's certificate: %w", err)
	}
	again := "go run ./infra-pulumi/local"
	if o.port != defaultPort {
		again += fmt.Sprintf(" --port %d", o.port)
	}
	_, err = fmt.Fprintf(out, `
PrynAI MCP runs on this machine.

  MCP URL       %[1]s/mcp
                its certificate is by an authority of this run: curl --cacert %[2]q
  without TLS   %[3]s (for clients that reject it, such as VS Code)
  health        %[1]s/healthz
  get a token   %[4]s smoke token --raw
  test again    %[4]s smoke

.vscode/mcp.json, which asks for the token:
%[5]s

Ctrl-C ends it.
`, publicURL, authorityFile, plainURL, again, snippet)
	return err
}
