package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/cloud"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
)

// run is the whole story: what stands in for Azure, the ingress, the first
// release, and further ones whenever a line is entered.
func run(ctx context.Context, o options, entered <-chan struct{}, out io.Writer) error {
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

	azure, err := startServices(ctx, o.redis)
	if err != nil {
		return err
	}
	defer azure.stop()
	p.say("services   image registry %s, %s %s:%d, Entra %s", azure.registry.host, azure.redis.what, azure.redis.host, azure.redis.port, azure.entra.authority)

	balancer := ingress.New(ingress.Timeout)
	stopServing, err := serve(balancer, azure.ca, secure, plain)
	if err != nil {
		return err
	}
	defer stopServing()

	d := &deployment{options: o, progress: p, out: out, cache: cache, azure: azure, url: fmt.Sprintf("https://127.0.0.1:%d", o.port)}
	d.smoke = proof.Client{Path: smokePath(cache), Folder: cache, Environment: smokeEnvironment(azure.entra, azure.ca, d.endpoint())}
	certificate, err := azure.ca.server()
	if err != nil {
		return err
	}
	d.cloud = cloud.New(cloud.Options{URL: d.endpoint(), Ingress: balancer, TLS: certificate, Version: d.version})
	defer func() {
		p.say("stopping   the replicas finish what they run; another Ctrl-C ends all at once")
		d.cloud.Stop()
	}()
	if err := d.release(ctx); err != nil || o.once {
		return err
	}
	return d.stay(ctx, entered)
}

// stay goes on until a stop is asked for.
func (d *deployment) stay(ctx context.Context, entered <-chan struct{}) error {
	file := runFile(d.cache, d.port)
	if err := save(d.smoke, file); err != nil {
		return fmt.Errorf("tell other terminals of this run: %w", err)
	}
	defer func() { _ = os.Remove(file) }() // at worst it names a run that has ended
	if err := d.announce(); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-ctx.Done():
		case <-d.azure.failed():
			end(errServiceEnded)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errServiceEnded) {
				return d.azure.failure()
			}
			return nil
		case <-entered:
			err := d.release(ctx)
			if ctx.Err() != nil {
				continue
			}
			if err != nil {
				d.say("FAILED     %v", err)
			}
			d.say("waiting    Enter releases the server as it is then; Ctrl-C ends all")
		}
	}
}

var errServiceEnded = errors.New("a service has ended")

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
