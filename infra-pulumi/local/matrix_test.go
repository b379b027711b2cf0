package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// The failure matrix: `go tool task matrix` runs it. Versions with all kinds of
// faults are released, by the logic that releases to Azure, while clients work;
// they must not notice. The servers are real processes.
//
// The times are about a tenth of those on Azure, so that a crash after 20 s is
// one after 2 s here.
var matrixLimits = rollout.Limits{
	Ready: 20 * time.Second, Patience: 3 * time.Second, Soak: 3 * time.Second,
	Settle: 2 * time.Second, Drain: 3 * time.Second, Poll: 100 * time.Millisecond,
}

const (
	provePatience = 8 * time.Second  // for a smoke test, where something hangs
	matrixGrace   = 10 * time.Second // from the signal to end to the end by force
	waitPatience  = time.Minute
)

func TestMatrix(t *testing.T) {
	if os.Getenv("PRYNAI_RELEASE") != "1" {
		t.Skip("SKIPPED: PRYNAI_RELEASE=1 runs the failure matrix, as `go tool task matrix` does")
	}
	p := compile(t)
	serveManager(t)
	seen := new(table)
	t.Cleanup(func() { t.Log(seen) })
	// Several deployments share the rows, each with its own load.
	for _, where := range []struct {
		name  string
		lanes int
		start func(*testing.T, programs, *table) *lane
	}{{"engine", 3, newEngineLane}, {"local", 2, newLocalLane}} {
		rows := rows()
		for n := range where.lanes {
			t.Run(fmt.Sprintf("%s %d", where.name, n+1), func(t *testing.T) {
				t.Parallel()
				l := where.start(t, p, seen)
				for r := range rows {
					r(l, t)
				}
			})
		}
	}
}

// rows are all rows of the matrix; those that take longest come first.
func rows() <-chan row {
	all := make(chan row, 100)
	defer close(all)
	all <- (*lane).killed
	all <- (*lane).ignoresSignal
	for _, f := range faults {
		all <- func(l *lane, t *testing.T) { l.fails(t, f) }
	}
	return all
}

// row is a row of the matrix.
type row func(*lane, *testing.T)

// programs are compiled once for all.
type programs struct{ self, server, smoke string }

func compile(t *testing.T) programs {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	p := programs{self, filepath.Join(folder, executable("server")), filepath.Join(folder, executable("smoke"))}
	source, err := image.Source()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-o", p.server, ".")
	command.Dir = source
	if log, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, log)
	}
	if err := proof.Build(t.Context(), p.smoke); err != nil {
		t.Fatal(err)
	}
	return p
}

// lane is a deployment under load.
type lane struct {
	programs
	where    string
	tell     func(string, ...any) // what happens to replicas
	services *services
	url      string // of the MCP endpoint
	cloud    rollout.Cloud
	prove    rollout.Prove
	load     *load
	table    *table
	sign     string      // a file
	quiet    func() bool // nothing is under way any more
	silent   bool        // it does not say why a version is not ready

	mu       sync.Mutex
	made     int
	versions map[string]fault // by build
}

func newLane(t *testing.T, p programs, where string, tb *table) *lane {
	return &lane{tell: t.Logf, programs: p, where: where, table: tb, quiet: func() bool { return true }, versions: map[string]fault{}, sign: filepath.Join(t.TempDir(), "sign")}
}

// good is no fault at all.
var good = fault{name: "good"}

// make makes another version, which is released next, and returns its build.
func (l *lane) make(f fault) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	build := fmt.Sprintf("build-%d", l.made)
	l.versions[build] = f
	return build
}

// newest is the version to be released.
func (l *lane) newest() (build string, f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	build = fmt.Sprintf("build-%d", l.made)
	return build, l.versions[build]
}

// deploy releases the newest version.
func (l *lane) deploy(t *testing.T) error {
	r := &rollout.Rollout{Cloud: l.cloud, Prove: l.prove, Limits: matrixLimits, Say: l.say(t)}
	if _, f := l.newest(); f.unready && l.silent {
		r.Limits.Ready = 3 * time.Second // nothing else ends it
	}
	return r.Deploy(t.Context())
}

func (l *lane) say(t *testing.T) func(string, ...any) {
	return func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		t.Logf("%s %s", time.Now().Format("05.0"), text)
		if strings.HasPrefix(text, "drain") {
			_ = os.WriteFile(l.sign, nil, 0o600) // whoever waits for it says so
		}
	}
}

// smokeTest is a proof by the real smoke client, with an end where something hangs.
func smokeTest(client proof.Client) rollout.Prove {
	return func(ctx context.Context, url, build string) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, provePatience, errors.New("the smoke client still waits"))
		defer cancel()
		return client.Prove(ctx, url, build)
	}
}

// fails releases a faulty version, which no client may notice. Then the control:
// the same version without all that a release checks.
func (l *lane) fails(t *testing.T, f fault) {
	t.Run(l.where+" "+f.name, func(t *testing.T) {
		live := l.live(t)
		build := l.make(f)
		tolerated := nothing
		if f.hurts {
			tolerated = failures
		}
		result := l.measure(t, tolerated, func() {
			err := l.deploy(t)
			if err == nil {
				t.Fatalf("%s was released", build)
			}
			says := f.says
			if f.unready && l.silent {
				says = "is not ready, or does not stay so"
			}
			for _, want := range []string{says, "with revision " + live} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the release does not say %q: %v", want, err)
				}
			}
			l.wantLive(t, live)
		})
		if err := os.Remove(l.sign); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		if !f.hurts {
			result.control = l.control(t, live)
		}
		l.table.add(l.where, f.name, result)
	})
}

// ignoresSignal releases a version that will not end, and then one that is good.
func (l *lane) ignoresSignal(t *testing.T) {
	const name = "ignores SIGTERM"
	if runtime.GOOS != "linux" {
		t.Logf("NOT TESTED: %s, which leaves its processes behind on %s", name, runtime.GOOS)
		return
	}
	t.Run(l.where+" "+name, func(t *testing.T) {
		l.table.add(l.where, name, l.measure(t, cuts, func() {
			for _, f := range []fault{{name: name, play: ignoreTermSignal}, good} {
				l.make(f)
				if err := l.deploy(t); err != nil {
					t.Fatal(err)
				}
			}
			l.wantLive(t, l.live(t))
		}))
	})
}

// result is what clients saw of a row.
type result struct {
	counts
	control int // failures without the gates
	took    time.Duration
}

// tolerance is what may go wrong for clients. No session may ever be lost.
type tolerance int

const (
	nothing  tolerance = iota
	cuts               // GET streams may be cut, as the ingress does it every 240 s anyway
	failures           // requests may fail, too
)

// measure counts what clients see while something is done.
func (l *lane) measure(t *testing.T, tolerated tolerance, do func()) result {
	t.Helper()
	before, _ := l.load.look()
	began := time.Now()
	do()
	took := time.Since(began)
	wait(t, "all that is to end has ended", l.quiet)
	l.load.settle(t)
	after, notes := l.load.look()
	seen := after.minus(before)
	if seen.lost > 0 || seen.failures > 0 && tolerated < failures || seen.cut > 0 && tolerated < cuts {
		t.Errorf("of %d requests %d failed, %d sessions were lost, %d streams cut:\n%s", seen.requests, seen.failures, seen.lost, seen.cut, notes)
	}
	if seen.requests == 0 {
		t.Error("there was no load")
	}
	return result{counts: seen, took: took}
}

// control gives a version the traffic without a look at it, as long as it
// takes until clients notice.
func (l *lane) control(t *testing.T, live string) (failed int) {
	t.Helper()
	ctx := t.Context()
	before, _ := l.load.look()
	staged, err := l.cloud.Stage(ctx, rollout.Record{Live: live})
	if err == nil {
		err = errors.Join(l.cloud.Activate(ctx, staged.Revision), l.cloud.Move(ctx, rollout.Record{Live: staged.Revision, Previous: live}))
	}
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "a client notices", func() bool {
		now, _ := l.load.look()
		failed = now.minus(before).failures
		return failed > 0
	})
	if err := errors.Join(l.cloud.Move(ctx, rollout.Record{Live: live}), l.cloud.Deactivate(ctx, staged.Revision)); err != nil {
		t.Fatal(err)
	}
	wait(t, "all that is to end has ended", l.quiet)
	l.load.settle(t)
	return failed
}

// live is the revision with the traffic.
func (l *lane) live(t *testing.T) (name string) {
	t.Helper()
	for _, r := range l.status(t).Revisions {
		if r.Weight == 100 {
			name = r.Name
		}
	}
	return name
}

// wantLive checks that one revision runs, and which.
func (l *lane) wantLive(t *testing.T, live string) {
	t.Helper()
	for _, r := range l.status(t).Revisions {
		if r.Active != (r.Name == live) || r.Active != (r.Weight == 100) {
			t.Errorf("revision %s: active %v, %d %% of the traffic; want all at %s", r.Name, r.Active, r.Weight, live)
		}
	}
}

func (l *lane) status(t *testing.T) rollout.Status {
	t.Helper()
	status, err := l.cloud.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitPatience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
