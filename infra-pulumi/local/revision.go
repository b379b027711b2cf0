package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
)

// startRevision starts the replicas of a declared app, as Container Apps would:
// it pulls the image that the declaration names and runs nothing else.
func startRevision(ctx context.Context, app *declaration.App, cache string, o options, p *progress) (*replica.Revision, error) {
	container := app.Container()
	server, err := unpack(ctx, container.Image, cache)
	if err != nil {
		return nil, err
	}
	config := replica.Config{
		Revision:    app.Name + "--" + shortDigest(container.Image),
		Replicas:    app.Replicas(),
		Executable:  server.path,
		Environment: app.Environment(server.environment),
		Probes:      container.Probes,
		Grace:       app.Grace(),
		Patience:    patience,
		Hide:        app.Secrets(),
		Log:         io.Discard,
		Tell:        p.say,
	}
	if o.logs {
		config.Log = os.Stderr
	}
	for name, value := range map[string]string{
		"NAME": app.Name, "REVISION": config.Revision, "HOSTNAME": config.Revision + "." + domain, "ENV_DNS_SUFFIX": domain,
	} {
		config.Environment["CONTAINER_APP_"+name] = value
	}
	return replica.Start(config)
}

// shortDigest is enough of a reference's digest to tell images apart.
func shortDigest(reference string) string {
	_, digest, _ := strings.Cut(reference, "@sha256:")
	return digest[:min(7, len(digest))]
}
