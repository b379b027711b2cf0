// Package stage sets up what a measurement needs, on loopback: a real Redis, a
// stand-in for Entra, tokens, this project's server as a deployment runs it,
// its peers, and the load generator. It ends all processes that it started.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/peer"
	"github.com/prynai/prynai-mcp/server/entratest"
)

// Server is this project's; Replicas are two of it, with one Redis.
const (
	Server   = "this server"
	Replicas = "two replicas"
)

const (
	principals        = 100
	tokensOfPrincipal = 2
)

// Options are what a stage may differ in.
type Options struct {
	Root string   // of the repository
	Tags []string // to build the server with
	Log  func(format string, args ...any)
}

// Stage is what stands ready.
type Stage struct {
	Options
	dir   string // for everything that is written
	redis *process
	entra *entratest.Entra
	http  *http.Server // of entra
}

// Open builds the programs and starts what all measurements share.
func Open(ctx context.Context, o Options) (_ *Stage, err error) {
	dir, err := os.MkdirTemp("", "prynai-bench-*")
	if err != nil {
		return nil, err
	}
	s := &Stage{Options: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	o.Log("building the server and the load generator")
	if err := s.build(ctx, "server", "-tags="+strings.Join(o.Tags, ",")); err != nil {
		return nil, err
	}
	if err := s.build(ctx, "smoke"); err != nil {
		return nil, err
	}
	if err := s.startEntra(); err != nil {
		return nil, err
	}
	return s, s.startRedis(ctx)
}

// Close ends everything.
func (s *Stage) Close() error {
	if s.redis != nil {
		s.redis.kill()
	}
	if s.http != nil {
		_ = s.http.Close() // nobody listens to it any more
	}
	return os.RemoveAll(s.dir)
}

// build compiles a module's program as its own module sees it.
func (s *Stage) build(ctx context.Context, module string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", s.program(module)}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = filepath.Join(s.Root, module)
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", module, err, output)
	}
	return nil
}

// program is the path of what build made.
func (s *Stage) program(module string) string {
	return filepath.Join(s.dir, module+"-program.exe") // a suffix that Windows needs and others allow
}

// startRedis is without persistence, as the sessions' Redis in Azure is.
func (s *Stage) startRedis(ctx context.Context) error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("redis-server is not installed: sessions are measured in a real Redis or not at all")
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(address)
	s.redis, err = s.start(exec.CommandContext(ctx, path,
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir), "redis", address)
	if err != nil {
		return err
	}
	return s.redis.await(ctx, listens)
}

func (s *Stage) startEntra() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.entra = entratest.New(entratest.Options{})
	s.entra.SetAuthority("http://" + listener.Addr().String())
	s.http = &http.Server{Handler: s.entra, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(listener) }() // ends with Close
	return s.writeTokens()
}

// writeTokens writes those of a hundred users, two for each.
func (s *Stage) writeTokens() error {
	var file strings.Builder
	for i := range principals {
		for range tokensOfPrincipal {
			file.WriteString(s.entra.Mint(entratest.Token{
				User:     fmt.Sprintf("40000000-0000-4000-8000-%012d", i),
				Scopes:   []string{"mcp.invoke"},
				Lifetime: 4 * time.Hour,
			}) + " ")
		}
		file.WriteString("\n")
	}
	return os.WriteFile(s.tokens(), []byte(file.String()), 0o600)
}

func (s *Stage) tokens() string { return filepath.Join(s.dir, "tokens") }

// Subject is a server that is measured: a process, or several.
type Subject struct {
	Name      string
	URLs      []string
	Profiles  string // where one of the processes tells of itself, in builds that do
	stage     *Stage
	processes []*process
}

// Start starts a subject by its name.
func (s *Stage) Start(ctx context.Context, name string) (_ *Subject, err error) {
	subject := &Subject{Name: name, stage: s}
	defer func() {
		if err != nil {
			subject.Stop()
		}
	}()
	replicas := 1
	if name == Replicas {
		replicas = 2
	}
	for range replicas {
		if err := subject.add(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return subject, nil
}

func (subject *Subject) add(ctx context.Context) error {
	s := subject.stage
	address, err := freeAddress()
	if err != nil {
		return err
	}
	cmd, ready, err := subject.command(ctx, address)
	if err != nil {
		return err
	}
	p, err := s.start(cmd, "subject", address)
	if err != nil {
		return err
	}
	subject.processes = append(subject.processes, p)
	subject.URLs = append(subject.URLs, "http://"+address+"/mcp")
	return p.await(ctx, ready)
}

// command is how a subject is run, and how to see that it is ready.
func (subject *Subject) command(ctx context.Context, address string) (*exec.Cmd, readiness, error) {
	s := subject.stage
	switch subject.Name {
	case Server, Replicas:
		cmd := exec.CommandContext(ctx, s.program("server"))
		o := s.entra.Options()
		// What is not named here has its default: that is how a deployment runs.
		cmd.Env = append(append(essentials(), container...), "LISTEN_ADDR="+address, "REDIS_URL=redis://"+s.redis.address,
			"ENTRA_AUTHORITY="+o.Authority, "ENTRA_TENANT_ID="+o.Tenant, "ENTRA_AUDIENCES="+o.ServerAppID)
		if len(s.Tags) > 0 {
			profiles, err := freeAddress()
			if err != nil {
				return nil, nil, err
			}
			subject.Profiles = "http://" + profiles + "/debug/pprof/"
			cmd.Env = append(cmd.Env, "PPROF_ADDR="+profiles)
		}
		return cmd, answersReadyz, nil
	case peer.TypeScript:
		cmd, err := peer.TypeScriptCommand(ctx, filepath.Join(s.dir, "typescript"))
		if err != nil {
			return nil, nil, err
		}
		cmd.Env = append(cmd.Env, "LISTEN_ADDR="+address)
		return cmd, listens, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "peer", Program(subject.Name), address)
	cmd.Env = essentials()
	if strings.HasSuffix(subject.Name, Single) {
		cmd.Env = append(cmd.Env, container...)
	}
	return cmd, listens, nil
}

// What may stand behind a peer's name.
const (
	// Twin is the same program again: two that are alike show how much of a
	// difference is chance.
	Twin = " again"
	// Single is the same program with as many processors as this project's
	// server, in place of as many as Go makes it.
	Single = ", one processor"
)

// Program is the peer behind a name: what is left of it without these.
func Program(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, Twin), Single)
}

// container is what the stack's default container tells Go.
var container = []string{"GOMAXPROCS=1", "GOMEMLIMIT=921MiB"}

// Stop ends the subject's processes.
func (subject *Subject) Stop() {
	for _, p := range subject.processes {
		p.kill()
	}
}

// Redis is the address of the Redis that holds the sessions.
func (s *Stage) Redis() string { return s.redis.address }

// StartTime is how long the server takes from its process's start until it is
// ready.
func (s *Stage) StartTime(ctx context.Context) (time.Duration, error) {
	started := time.Now()
	subject, err := s.Start(ctx, Server)
	if err != nil {
		return 0, err
	}
	took := time.Since(started)
	subject.Stop()
	return took, nil
}
