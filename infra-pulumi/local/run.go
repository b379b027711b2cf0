package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
)

// patience is how long the replicas may take to become ready.
const patience = time.Minute

// run is the whole story: what stands in for Azure, the image, the declaration,
// the ingress, the replicas, the proof.
func run(ctx context.Context, o options, out io.Writer) error {
	p := newProgress(out)
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	secure, plain, err := listen(o) // first: nothing is worth waiting for without a port
	if err != nil {
		return err
	}
	defer closeAll(secure, plain)
	publicURL := fmt.Sprintf("https://127.0.0.1:%d", o.port)

	azure, err := startServices(ctx, o.redis)
	if err != nil {
		return err
	}
	defer azure.stop()
	p.say("services   image registry %s, %s %s:%d, Entra %s", azure.registry.host, azure.redis.what, azure.redis.host, azure.redis.port, azure.entra.authority)

	img, err := p.buildImage(ctx, azure.registry)
	if err != nil {
		return err
	}
	smoke := smokeClient{Environment: smokeEnvironment(azure.entra, azure.ca, publicURL+"/mcp")}
	if smoke.Path, err = p.buildSmoke(ctx, cache); err != nil {
		return err
	}

	app, err := declare(azure, img, publicURL)
	if err != nil {
		return err
	}
	p.say("declared   %s runs %s", app.Name, app.Container().Image)

	balancer := ingress.New(app.Configuration.Ingress.TargetPort, ingress.Timeout)
	stopServing, err := serve(balancer, azure.ca, secure, plain)
	if err != nil {
		return err
	}
	defer stopServing()

	revision, err := startRevision(ctx, app, cache, o, p)
	if err != nil {
		return err
	}
	defer func() {
		p.say("stopping   the replicas finish what they run, for %s at most; another Ctrl-C ends all at once", app.Grace())
		revision.Stop()
	}()
	if err := p.awaitReady(ctx, revision); err != nil {
		return err
	}
	balancer.Route(revision)

	file := runFile(cache, o.port)
	if err := smoke.save(file); err != nil {
		return fmt.Errorf("tell other terminals of this run: %w", err)
	}
	defer func() { _ = os.Remove(file) }() // at worst it names a run that has ended

	p.say("smoke test %s/mcp, with a token, over the ingress's HTTPS", publicURL)
	if err := smoke.run(ctx, []string{"--expect-build", img.Build}, out, out); err != nil || o.once {
		return err
	}
	if err := announce(out, o, publicURL, azure.ca, cache); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-azure.failed():
		return azure.failure()
	}
}

// listen takes the two fixed ports.
func listen(o options) (secure, plain net.Listener, err error) {
	if secure, err = ingress.Listen(o.port, "--port"); err != nil {
		return nil, nil, err
	}
	if plain, err = ingress.Listen(o.plainPort, "--plain-port"); err != nil {
		return nil, nil, errors.Join(err, secure.Close())
	}
	return secure, plain, nil
}

// serve answers on both ports, with and without TLS.
func serve(balancer *ingress.Ingress, ca *authority, secure, plain net.Listener) (stop func(), err error) {
	withTLS, without := balancer.Server(), balancer.Server()
	if withTLS.TLSConfig, err = ca.server(); err != nil {
		return nil, err
	}
	go func() { _ = withTLS.ServeTLS(secure, "", "") }() // ends by stop alone
	go func() { _ = without.Serve(plain) }()
	return func() { closeAll(withTLS, without) }, nil
}

func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		_ = c.Close() // it listens on nothing any more, that is all
	}
}
