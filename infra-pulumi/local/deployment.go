package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/cloud"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// limits are those on Azure, but that nothing here takes minutes to spread, and
// that the old replicas get less time: calls that last longer than this and the
// replicas' own grace are cut.
var limits = rollout.Limits{
	Ready: time.Minute, Patience: 10 * time.Second, Soak: 30 * time.Second,
	Settle: 5 * time.Second, Drain: 30 * time.Second, Poll: 250 * time.Millisecond,
}

// deployment is what runs, and what releases need.
type deployment struct {
	options
	*progress
	out   io.Writer
	cache string // folder
	url   string // the public one
	azure *services
	cloud *cloud.Cloud
	smoke proof.Client
	shown bool // a whole smoke test, to people
}

func (d *deployment) endpoint() string { return d.url + "/mcp" }

// release releases the server as it is in this repository now, by the logic
// that releases it to Azure.
func (d *deployment) release(ctx context.Context) error {
	r := &rollout.Rollout{Cloud: d.cloud, Prove: d.prove, Limits: limits, Say: d.say}
	return r.Deploy(ctx)
}

// prove implements rollout.Prove. The first proof is shown whole, others only
// if they fail.
func (d *deployment) prove(ctx context.Context, url, build string) (string, error) {
	if d.shown {
		return d.smoke.Prove(ctx, url, build)
	}
	d.shown = true
	return build, call(ctx, d.smoke, []string{"--expect-build", build}, d.out, d.out)
}

// version makes the server's image, and what the Pulumi program declares to run
// of it. As Container Apps would, it pulls the image that the declaration
// names, and nothing else is run.
func (d *deployment) version(ctx context.Context) (*cloud.Version, error) {
	img, err := d.buildImage(ctx, d.azure.registry)
	if err != nil {
		return nil, err
	}
	if err := d.buildSmoke(ctx, d.smoke.Path); err != nil {
		return nil, err
	}
	app, err := declare(d.azure, img, d.url)
	if err != nil {
		return nil, err
	}
	d.say("declared   %s runs %s", app.Name, app.Container().Image)
	return d.declared(ctx, app, img)
}

func (d *deployment) declared(ctx context.Context, app *declaration.App, img *image.Image) (*cloud.Version, error) {
	container := app.Container()
	server, err := unpack(ctx, container.Image, d.cache)
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
		Hide:        app.Secrets(),
		Log:         io.Discard,
		Tell:        d.tell,
	}
	if d.logs {
		config.Log = os.Stderr
	}
	for name, value := range map[string]string{
		"NAME": app.Name, "REVISION": config.Revision, "HOSTNAME": config.Revision + "." + domain, "ENV_DNS_SUFFIX": domain,
	} {
		config.Environment["CONTAINER_APP_"+name] = value
	}
	return &cloud.Version{Image: container.Image, Build: img.Build, Port: app.Configuration.Ingress.TargetPort, Replicas: config}, nil
}

// tell is told of what happens to the replicas.
func (d *deployment) tell(format string, args ...any) { d.say("           "+format, args...) }

// shortDigest is enough of a reference's digest to tell images apart.
func shortDigest(reference string) string {
	_, digest, _ := strings.Cut(reference, "@sha256:")
	return digest[:min(7, len(digest))]
}
