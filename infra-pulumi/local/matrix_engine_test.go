package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/pulumicli"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/cloud"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

// subscription is a pretended Azure whose revisions are processes: whatever it
// says of revisions and traffic, a cloud on this machine does.
type subscription struct {
	pretended *standin.Cloud
	machine   *cloud.Cloud

	ending atomic.Int64 // revisions whose processes are to end

	mu    sync.Mutex
	ready map[string]bool // revisions, when last seen
}

// managers are Azure Resource Manager's handlers by subscription: programs find
// it by the process's environment, so that there is one for all lanes.
var (
	managers      sync.Map
	subscriptions atomic.Int64
)

// serveManager serves them until the test ends.
func serveManager(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/subscriptions/"), "/")
		if manager, ok := managers.Load(id); ok {
			manager.(http.Handler).ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv("ARM_ENDPOINT", server.URL)
}

// newEngineLane is the program on the real Pulumi engine, under load.
func newEngineLane(t *testing.T, p programs, tb *table) *lane {
	t.Helper()
	l := newLane(t, p, "engine", tb)
	balancer := l.surround(t)
	certificate, err := l.services.ca.server()
	if err != nil {
		t.Fatal(err)
	}
	s := &subscription{ready: map[string]bool{}}
	var starting *cloud.Version
	s.machine = cloud.New(cloud.Options{URL: l.url, Ingress: balancer, TLS: certificate,
		Version: func(context.Context) (*cloud.Version, error) { return starting, nil }})
	id := fmt.Sprintf("00000000-0000-0000-0000-%012d", subscriptions.Add(1))
	s.pretended = standin.New(standin.Options{Subscription: id, Ready: func(r standin.Revision) bool { return s.isReady(r.Name) }})
	s.follow(t, func(r standin.Revision) (err error) {
		starting, err = l.pulled(s.pretended, r)
		if err == nil {
			_, err = s.machine.Stage(t.Context(), rollout.Record{Live: "another"})
		}
		return err
	})

	program := stack.Program{Getenv: func(string) string { return "" }, Registration: stack.AllRegistered,
		Image: func(_ *pulumi.Context, to image.Registry) (*image.Deployed, error) {
			build, _ := l.newest()
			return &image.Deployed{Ref: pulumi.Sprintf("%s/%s@%s", to.Server, image.Repository, digest(build)), Build: build}, nil
		}}
	managers.Store(id, s.pretended.Handler())
	l.cloud = azure.New(l.newStack(t, s.pretended, program), azure.Options{Program: program, Out: t.Output()})
	smoke := smokeTest(l.client())
	l.prove = func(ctx context.Context, url, build string) (string, error) {
		at, err := s.resolve(url)
		if err != nil {
			return "", err
		}
		return smoke(ctx, at, build)
	}
	l.quiet, l.silent = s.quiet, true
	l.begin(t)
	return l
}

// newStack makes a stack whose app uses this lane's services.
func (l *lane) newStack(t *testing.T, pretended *standin.Cloud, program stack.Program) auto.Stack {
	t.Helper()
	cli, err := pulumicli.Find(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := pretended.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
	})
	backend := "file://" + filepath.ToSlash(t.TempDir())
	environment := provider.Env()
	environment["PULUMI_BACKEND_URL"] = backend
	environment["PULUMI_CONFIG_PASSPHRASE"] = "a passphrase for tests"
	environment["PULUMI_SKIP_UPDATE_CHECK"] = "true"
	s, err := auto.UpsertStackInlineSource(t.Context(), "test", project, program.Deploy,
		auto.Pulumi(cli.Command), auto.PulumiHome(t.TempDir()), auto.EnvVars(environment),
		auto.Project(workspace.Project{
			Name: tokens.PackageName(project), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: backend},
		}))
	if err != nil {
		t.Fatal(err)
	}
	config := auto.ConfigMap{"redis:url": {Value: l.redisURL("", ""), Secret: true}}
	for key, value := range map[string]string{
		"azure-native:location": "westeurope",
		"entra:tenantId":        l.services.entra.tenant, "entra:serverAppId": l.services.entra.serverApp,
		"entra:authority": l.services.entra.authority, "entra:requiredAppRoles": role,
		"redis:kind":       "existing",
		"server:publicUrl": strings.TrimSuffix(l.url, "/mcp"), "server:tlsCa": l.services.ca.pem,
	} {
		config[key] = auto.ConfigValue{Value: value}
	}
	if err := s.SetAllConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return s
}

// pulled is the version that a revision runs: what the app declares, with the
// program that its image would have.
func (l *lane) pulled(pretended *standin.Cloud, r standin.Revision) (*cloud.Version, error) {
	inputs, err := pretended.Inputs("app")
	if err != nil {
		return nil, err
	}
	inputs["template"] = r.Template
	app, err := declaration.Parse(inputs)
	if err != nil {
		return nil, err
	}
	build, f := l.version(app.Container().Image)
	replicas := l.replicas(r.Name, build, app)
	f.apply(&replicas, l)
	return &cloud.Version{Image: app.Container().Image, Build: build, Port: app.Configuration.Ingress.TargetPort, Replicas: replicas}, nil
}

// digest stands for that of a build's image: nothing is pushed or pulled here.
func digest(build string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(build))) }

// version finds the version that an image has.
func (l *lane) version(image string) (build string, f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for build, f := range l.versions {
		if strings.HasSuffix(image, digest(build)) {
			return build, f
		}
	}
	return "", fault{}
}

// follow does on the machine what the pretended Azure says, until the test ends.
func (s *subscription) follow(t *testing.T, start func(standin.Revision) error) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ended := map[string]bool{}
	running.Go(func() {
		for ; ctx.Err() == nil; pause(ctx) {
			revisions, err := s.pretended.Revisions("app")
			if err != nil {
				continue // there is no app yet
			}
			known := s.look()
			for _, r := range revisions {
				_, there := known[r.Name]
				switch {
				case r.Active && !there:
					err = start(r)
				case r.Active && ended[r.Name]:
					err, ended[r.Name] = s.machine.Activate(ctx, r.Name), false
				}
				if err == nil && r.Weight == 100 {
					err = s.machine.Move(ctx, rollout.Record{Live: r.Name})
				}
				if err != nil {
					t.Error(err)
				}
			}
			for _, r := range revisions {
				if !r.Active && !ended[r.Name] {
					ended[r.Name] = true
					s.ending.Add(1)
					running.Go(func() {
						defer s.ending.Add(-1)
						if err := s.machine.Deactivate(ctx, r.Name); err != nil {
							t.Error(err)
						}
					})
				}
			}
		}
	})
	t.Cleanup(func() {
		stop()
		s.machine.Stop()
		running.Wait()
	})
}

// look notes which revisions the machine has, and which of them are ready.
func (s *subscription) look() map[string]bool {
	status, _ := s.machine.Status(context.Background()) // it never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = map[string]bool{}
	for _, r := range status.Revisions {
		s.ready[r.Name] = r.Ready
	}
	return s.ready
}

// quiet tells whether the machine has done all that the pretended Azure said,
// which does not wait for it.
func (s *subscription) quiet() bool {
	revisions, err := s.pretended.Revisions("app")
	if err != nil {
		return false
	}
	status, err := s.machine.Status(context.Background())
	if err != nil || len(status.Revisions) != len(revisions) {
		return false
	}
	for i, r := range status.Revisions { // both have the oldest first
		if r.Active != revisions[i].Active || r.Weight != revisions[i].Weight {
			return false
		}
	}
	return s.ending.Load() == 0
}

func (s *subscription) isReady(revision string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready[revision]
}

// resolve finds the place of an address on the machine: names of the pretended
// Azure lead nowhere.
func (s *subscription) resolve(url string) (string, error) {
	status, err := s.machine.Status(context.Background())
	for _, r := range status.Revisions {
		if strings.HasPrefix(url, "https://"+r.Name+".") {
			return r.URL, err // empty where it does not run
		}
	}
	return url, err
}
