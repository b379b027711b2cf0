// Package cloud is what a release on this machine goes to: it runs an app's
// revisions as replicas, gives each an address of its own, and moves the
// ingress's traffic from one to the other.
//
// It keeps of Container Apps what a release needs: a revision starts without
// traffic, answers at its own address, is ready when all its replicas are, and
// can be ended and started again. One revision has all the traffic. Nothing
// outlives Stop.
package cloud

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// endpoint is the server's MCP endpoint.
const endpoint = "/mcp"

// Version is what is to be released.
type Version struct {
	Image    string
	Build    string
	Port     int // of the containers, which requests go to
	Replicas replica.Config
}

// Options are the surroundings.
type Options struct {
	URL     string           // where the clients are
	Ingress *ingress.Ingress // which serves there
	TLS     *tls.Config      // of the revisions' own addresses
	// Version makes the version that is to be released now. The same one has
	// the same revision's name.
	Version func(context.Context) (*Version, error)
}

// Cloud implements rollout.Cloud.
type Cloud struct {
	options Options

	mu        sync.Mutex
	record    rollout.Record
	serving   string      // the revision with the traffic
	revisions []*revision // the oldest first
}

type revision struct {
	version *Version
	running *replica.Revision // nil: it is not active
	own     *address          // while it runs
}

func (r *revision) name() string { return r.version.Replicas.Revision }

// New is a cloud where nothing runs yet.
func New(o Options) *Cloud { return &Cloud{options: o} }

// Status implements rollout.Cloud.
func (c *Cloud) Status(context.Context) (rollout.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := rollout.Status{Record: c.record, URL: c.options.URL}
	for _, r := range c.revisions {
		status.Revisions = append(status.Revisions, c.describe(r))
	}
	return status, nil
}

func (c *Cloud) describe(r *revision) rollout.Revision {
	d := rollout.Revision{Name: r.name(), Image: r.version.Image}
	if r.name() == c.serving {
		d.Weight = 100
	}
	if r.running == nil {
		return d
	}
	d.Active, d.Ready, d.Restarts, d.URL = true, r.running.Ready(), r.running.Restarts(), r.own.url
	if err := r.running.Problem(); err != nil && !d.Ready {
		d.Problem = err.Error()
	}
	return d
}

// Stage implements rollout.Cloud. Where nothing ran before, requests go to the
// new revision as soon as it is ready.
func (c *Cloud) Stage(ctx context.Context, record rollout.Record) (rollout.Staged, error) {
	version, err := c.options.Version(ctx)
	if err != nil {
		return rollout.Staged{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	staged := rollout.Staged{Revision: version.Replicas.Revision, Build: version.Build}
	r := c.find(staged.Revision)
	if r == nil {
		r = &revision{version: version}
		if err := c.start(r); err != nil {
			return rollout.Staged{}, err
		}
		c.revisions = append(c.revisions, r)
	}
	c.record = record
	if record.Live == "" {
		return staged, c.route(r)
	}
	return staged, nil
}

// Move implements rollout.Cloud.
func (c *Cloud) Move(_ context.Context, record rollout.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.find(record.Live)
	if r == nil {
		return missing(record.Live)
	}
	if err := c.route(r); err != nil {
		return err
	}
	c.record = record
	return nil
}

// Activate implements rollout.Cloud.
func (c *Cloud) Activate(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.find(name)
	if r == nil {
		return missing(name)
	}
	return c.start(r)
}

// Deactivate implements rollout.Cloud. It returns when the replicas have
// finished what they ran.
func (c *Cloud) Deactivate(_ context.Context, name string) error {
	c.mu.Lock()
	r := c.find(name)
	switch {
	case r == nil:
		c.mu.Unlock()
		return missing(name)
	case c.serving == name:
		c.mu.Unlock()
		return fmt.Errorf("revision %s has the traffic", name)
	}
	end := r.release()
	c.mu.Unlock()
	end()
	return nil
}

// Stop ends all that runs, and returns when it has.
func (c *Cloud) Stop() {
	c.mu.Lock()
	var ending sync.WaitGroup
	for _, r := range c.revisions {
		ending.Go(r.release())
	}
	c.mu.Unlock()
	ending.Wait()
}

// The rest of this file expects c.mu to be held.

func (c *Cloud) find(name string) *revision {
	for _, r := range c.revisions {
		if r.name() == name {
			return r
		}
	}
	return nil
}

// start starts a revision unless it runs.
func (c *Cloud) start(r *revision) error {
	if r.running != nil {
		return nil
	}
	running, err := replica.Start(r.version.Replicas)
	if err != nil {
		return err
	}
	own, err := serve(running, r.version.Port, c.options.TLS)
	if err != nil {
		running.Stop()
		return err
	}
	r.running, r.own = running, own
	return nil
}

// route gives a revision that runs all new requests.
func (c *Cloud) route(r *revision) error {
	if r.running == nil {
		return fmt.Errorf("revision %s does not run", r.name())
	}
	c.options.Ingress.Route(r.running, r.version.Port)
	c.serving = r.name()
	return nil
}

// release takes a revision's processes from it, which the answer ends.
func (r *revision) release() (end func()) {
	running, own := r.running, r.own
	r.running, r.own = nil, nil
	return func() {
		if running != nil {
			running.Stop()
			own.close()
		}
	}
}

func missing(name string) error { return fmt.Errorf("there is no revision %s", name) }
