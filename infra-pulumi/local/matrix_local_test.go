package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/cloud"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
)

// newLocalLane is the local run with a good version, under load.
func newLocalLane(t *testing.T, p programs, tb *table) *lane {
	t.Helper()
	l := newLane(t, p, "local", tb)
	balancer := l.surround(t)
	app, err := declare(l.services, &image.Image{Digest: "sha256:" + strings.Repeat("0", 64)}, strings.TrimSuffix(l.url, "/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := l.services.ca.server()
	if err != nil {
		t.Fatal(err)
	}
	c := cloud.New(cloud.Options{URL: l.url, Ingress: balancer, TLS: config, Version: func(context.Context) (*cloud.Version, error) {
		build, f := l.newest()
		replicas := l.replicas("app--"+build, build, app)
		f.apply(&replicas, l)
		return &cloud.Version{Image: build, Build: build, Port: app.Configuration.Ingress.TargetPort, Replicas: replicas}, nil
	}})
	t.Cleanup(c.Stop)
	l.cloud, l.prove = c, smokeTest(l.client())
	l.begin(t)
	return l
}

// surround starts what stands in for Azure, and an ingress without traffic.
func (l *lane) surround(t *testing.T) *ingress.Ingress {
	t.Helper()
	var err error
	if l.services, err = startServices(t.Context(), redisAuto); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.services.stop)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.url = "https://" + listener.Addr().String() + "/mcp"
	balancer := ingress.New(ingress.Timeout)
	server := balancer.Server()
	if server.TLSConfig, err = l.services.ca.server(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // until the test ends
	t.Cleanup(func() { _ = server.Close() })
	return balancer
}

// client is the smoke client of the lane.
func (l *lane) client() proof.Client {
	return proof.Client{Path: l.smoke, Folder: filepath.Dir(l.smoke), Environment: smokeEnvironment(l.services.entra, l.services.ca, l.url)}
}

// begin releases the first version and puts the load on it.
func (l *lane) begin(t *testing.T) {
	t.Helper()
	l.make(good)
	if err := l.deploy(t); err != nil {
		t.Fatal(err)
	}
	token, err := l.client().Command(t.Context(), "token", "--raw").Output()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: l.services.ca.client(), ForceAttemptHTTP2: true}
	l.load = startLoad(t, l.url, strings.TrimSpace(string(token)), transport)
	l.load.settle(t)
}

// replicas are those of a version without faults, as declared, but for probes
// that ask more often.
func (l *lane) replicas(revision, build string, app *declaration.App) replica.Config {
	environment := app.Environment([]string{"LISTEN_ADDR=0.0.0.0:8000", "PRYNAI_BUILD=" + build})
	maps.Copy(environment, map[string]string{
		"CONTAINER_APP_NAME": app.Name, "CONTAINER_APP_REVISION": revision,
		"CONTAINER_APP_HOSTNAME": revision + "." + domain, "CONTAINER_APP_ENV_DNS_SUFFIX": domain,
	})
	config := replica.Config{
		Revision: revision, Replicas: app.Replicas(), Executable: l.server,
		Environment: environment, Grace: matrixGrace, Hide: app.Secrets(), Tell: l.tell,
	}
	for _, probe := range app.Container().Probes {
		probe.PeriodSeconds, probe.FailureThreshold = 1, min(probe.FailureThreshold, 5)
		config.Probes = append(config.Probes, probe)
	}
	return config
}

// redisURL is the lane's Redis with another host or password.
func (l *lane) redisURL(host, password string) string {
	if host == "" {
		host = fmt.Sprintf("%s:%d", l.services.redis.host, l.services.redis.port)
	}
	if password == "" {
		password = l.services.redis.key
	}
	return "rediss://default:" + password + "@" + host
}
