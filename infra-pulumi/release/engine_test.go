package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/pulumicli"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/testserver"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/image/registrytest"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// The test binary acts as two programs: the command, so that it can be killed, and the smoke client, since on the
// pretend Azure nothing runs.
const (
	actAs      = "PRYNAI_TEST_ACT_AS"
	answersURL = "PRYNAI_TEST_ANSWERS"
)

func TestMain(m *testing.M) {
	switch os.Getenv(actAs) {
	case "release":
		os.Exit(actAsRelease())
	case "smoke":
		os.Exit(actAsSmoke())
	}
	os.Exit(m.Run())
}

// actAsRelease is the command with short limits and pretended surroundings.
func actAsRelease() int {
	o, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		return exitUsage
	}
	self, err := os.Executable()
	if err != nil {
		return exitFailed
	}
	c := &command{options: o, console: newConsole(os.Stdout), stdin: os.Stdin}
	c.limits = rollout.Limits{Ready: 5 * time.Second, Patience: time.Second, Soak: 300 * time.Millisecond, Settle: time.Second, Drain: time.Second, Poll: 100 * time.Millisecond}
	c.smoke = func(context.Context) (*smokeClient, error) {
		return &smokeClient{Client: proof.Client{Path: self, Environment: []string{actAs + "=smoke"}}}, nil
	}
	if err := c.run(interruptible()); err != nil {
		fmt.Println("ERROR", err)
		return exitFailed
	}
	return exitOK
}

// actAsSmoke reports the build that the test says answers at the address.
func actAsSmoke() int {
	if os.Args[1] == "token" {
		return exitOK
	}
	expected := ""
	if len(os.Args) > 3 {
		expected = os.Args[3]
	}
	response, err := http.Get(os.Getenv(answersURL) + "?at=" + url.QueryEscape(os.Getenv("PRYNAI_MCP_URL")))
	if err != nil {
		return exitFailed
	}
	defer func() { _ = response.Body.Close() }() // it was read
	build, err := io.ReadAll(response.Body)
	ok := err == nil && response.StatusCode == http.StatusOK && (expected == "" || string(build) == expected)
	fmt.Printf(`{"ok":%v,"build":%q,"checks":[]}`, ok, build)
	if !ok {
		return exitFailed
	}
	return exitOK
}

// world is a pretended Azure with the engine, a registry, and a folder that looks like the repository.
type world struct {
	cloud *standin.Cloud
	root  string
	cli   string
	env   []string
	begun time.Time // the step

	mu     sync.Mutex
	builds map[string]string // by digest
	broken map[string]bool   // builds that never become ready
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("PRYNAI_ENGINE") != "1" {
		t.Skip("SKIPPED: the tests with the real Pulumi engine run with PRYNAI_ENGINE=1, as `go tool task engine` sets it")
	}
	cli, err := pulumicli.Find(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	registry := registrytest.New(t, registrytest.Options{AzureToken: standin.Token})
	w := &world{root: t.TempDir(), cli: cli.Path, begun: time.Now(), builds: map[string]string{}, broken: map[string]bool{}}
	w.cloud = standin.New(standin.Options{LoginServer: registry.Host, Ready: func(r standin.Revision) bool { return !w.isBroken(w.buildOf(r)) }})
	provider, err := w.cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
	})
	manager := httptest.NewServer(w.cloud.Handler())
	t.Cleanup(manager.Close)
	answers := httptest.NewServer(http.HandlerFunc(w.answer))
	t.Cleanup(answers.Close)
	w.copyRepository(t)
	state := t.TempDir()
	w.env = append(os.Environ(), "PATH="+filepath.Dir(cli.Path)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PULUMI_BACKEND_URL=file://"+filepath.ToSlash(state), "PULUMI_HOME="+t.TempDir(), "PULUMI_CONFIG_PASSPHRASE=a passphrase for tests",
		"PULUMI_SKIP_UPDATE_CHECK=true", "GOGC=400", "ARM_ENDPOINT="+manager.URL, answersURL+"="+answers.URL)
	for name, value := range provider.Env() {
		w.env = append(w.env, name+"="+value)
	}
	return w
}

// copyRepository makes a folder with all that the command needs of the repository.
func (w *world) copyRepository(t *testing.T) {
	t.Helper()
	root, err := image.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := testserver.Write(filepath.Join(w.root, "server")); err != nil {
		t.Fatal(err)
	}
	project, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"Pulumi.yaml": project, "go.work": []byte("go 1.26\n")} {
		if err := os.WriteFile(filepath.Join(w.root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(w.root, "infra-pulumi"), 0o700); err != nil { // the project's main
		t.Fatal(err)
	}
}

// version makes another version of the server, and returns its build.
func (w *world) version(t *testing.T) string {
	t.Helper()
	server := filepath.Join(w.root, "server")
	if err := testserver.Change(server); err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(t.Context(), image.Options{Module: server})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.builds[img.Digest] = img.Build
	return img.Build
}

// answer tells the build that serves at an address.
func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	at := r.FormValue("at")
	own := strings.Contains(at, "--") // as only names of revisions have it
	revisions, err := w.cloud.Revisions("app")
	for _, revision := range revisions {
		if !revision.Ready || own && at != "https://"+revision.FQDN+"/mcp" || !own && revision.Weight != 100 {
			continue
		}
		_, _ = io.WriteString(rw, w.buildOf(revision))
		return
	}
	http.Error(rw, fmt.Sprint("nothing answers: ", err), http.StatusNotFound)
}

func (w *world) isBroken(build string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken[build]
}

func (w *world) buildOf(r standin.Revision) string {
	containers, _ := r.Template["containers"].([]any)
	container, _ := containers[0].(map[string]any)
	_, digest, _ := strings.Cut(fmt.Sprint(container["image"]), "@")
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.builds[digest]
}

// live is the build with all the traffic; active counts the revisions that run.
func (w *world) live(t *testing.T) (live string, active int) {
	t.Helper()
	revisions, err := w.cloud.Revisions("app")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range revisions {
		if r.Weight == 100 && r.Ready {
			live = w.buildOf(r)
		}
		if r.Active {
			active++
		}
	}
	return live, active
}

// command is a call of the command as a process.
func (w *world) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, args...)
	command.Dir = w.root
	command.Env = append(w.env, actAs+"=release")
	return command
}

// release runs the command to its end, and returns what it said.
func (w *world) release(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := w.command(t, args...).CombinedOutput()
	t.Logf("release %s\n%s", strings.Join(args, " "), out)
	return string(out), err
}

// killed kills the command as soon as it says something.
func (w *world) killed(t *testing.T, at string) {
	t.Helper()
	w.signalled(t, at, os.Kill)
}

// signalled sends a signal to a deployment as soon as it says something, waits for its end, and returns what it said
// then.
func (w *world) signalled(t *testing.T, at string, signal os.Signal) string {
	t.Helper()
	command := w.command(t, "deploy")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(out); !reached && lines.Scan(); {
		t.Log(lines.Text())
		reached = strings.Contains(lines.Text(), at)
	}
	if err := command.Process.Signal(signal); err != nil || !reached {
		t.Errorf("%q was not reached: %v", at, err)
	}
	rest, _ := io.ReadAll(out) // less than all if it was killed
	if err := command.Wait(); err == nil {
		t.Errorf("%s at %q went unnoticed", signal, at)
	}
	return string(rest)
}

func (w *world) pulumi(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), w.cli, append(args, "--non-interactive")...)
	command.Dir, command.Env = w.root, w.env
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("pulumi %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) configure(t *testing.T) {
	t.Helper()
	w.pulumi(t, "stack", "init", "test")
	for key, value := range map[string]string{
		"azure-native:location": "westeurope",
		"entra:tenantId":        "11111111-1111-1111-1111-111111111111",
		"entra:serverAppId":     "22222222-2222-2222-2222-222222222222",
	} {
		w.pulumi(t, "config", "set", key, value)
	}
}

// step tells how long a step took, the first one from the start of the world.
func (w *world) step(t *testing.T, name string) {
	t.Helper()
	t.Logf("%6.1f s  %s: %s", time.Since(w.begun).Seconds(), t.Name(), name)
	w.begun = time.Now()
}

// TestCommand is what a person does.
func TestCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if out, err := w.release(t, "deploy"); err == nil || !strings.Contains(out, "pulumi stack init dev") {
		t.Errorf("without a stack: %v, %s", err, out)
	}
	w.step(t, "deploy without a stack: refused")
	w.configure(t)
	first := w.version(t)
	w.cloud.Fail(standin.Create, "redis", standin.Failure{Err: errors.New(`Code="SkuNotAvailable" Message="Not in this region."`)})
	if out, err := w.release(t, "deploy"); err == nil || !strings.Contains(out, "redis: create failed. What to do: ") || !strings.Contains(out, "pulumi config set redis:sku") {
		t.Errorf("without Redis: %v, %s", err, out)
	}
	w.step(t, "deploy where Azure makes no Redis: told what to do")
	w.pulumi(t, "config", "set", "domain:name", "mcp.example.com")
	w.pulumi(t, "config", "set", "domain:step", "dns")
	if out, err := w.release(t, "deploy"); err != nil || !strings.Contains(out, "create") || !strings.Contains(out, "MCP URL   https://") || !strings.Contains(out, "domain:step certificate") {
		t.Fatalf("the first: %v, %s", err, out)
	}
	if live, active := w.live(t); live != first || active != 1 {
		t.Errorf("%s is live, %d run", live, active)
	}
	w.step(t, "first deploy")
	broken := w.version(t)
	w.mu.Lock()
	w.broken[broken] = true
	w.mu.Unlock()
	if out, err := w.release(t, "deploy"); err == nil || !strings.Contains(out, "is not ready") || !strings.Contains(out, "the traffic stays with revision") {
		t.Errorf("one that never becomes ready: %v, %s", err, out)
	}
	if live, active := w.live(t); live != first || active != 1 {
		t.Errorf("then %s is live, %d run", live, active)
	}
	w.step(t, "deploy of one that never becomes ready: taken back")
	w.pulumi(t, "config", "set", "redis:kind", "classic")
	if out, err := w.release(t, "deploy"); err == nil || !strings.Contains(out, "--replace") {
		t.Errorf("another Redis: %v, %s", err, out)
	}
	w.step(t, "deploy that would replace Redis: refused")
	if out, err := w.release(t, "rollback"); err == nil || !strings.Contains(out, "nothing was released before") {
		t.Errorf("a rollback to nothing: %v, %s", err, out)
	}
	w.step(t, "rollback to nothing: refused")
	w.destroy(t, "no\n", true)
	w.destroy(t, "", true)
	w.destroy(t, "test\n", false)
	w.step(t, "destroy, after asking")
}

func (w *world) destroy(t *testing.T, answer string, left bool) {
	t.Helper()
	command := w.command(t, "destroy")
	command.Stdin = strings.NewReader(answer)
	out, err := command.CombinedOutput()
	if left != (err != nil) || left != (len(w.cloud.Resources()) > 0) {
		t.Errorf("destroy, answered %q: %v, %d resources\n%s", answer, err, len(w.cloud.Resources()), out)
	}
}

// TestKilled interrupts a release while Azure is at it, then kills one after the other, each in another step, and lets
// the next one carry on.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure(t)
	first := w.version(t)
	if out, err := w.release(t, "deploy"); err != nil {
		t.Fatal(out)
	}
	w.step(t, "first deploy")
	w.watch(t)
	if runtime.GOOS == "windows" {
		t.Log("NOT TESTED: Ctrl-C, which a program cannot press for another on Windows")
	} else {
		w.version(t)
		said := w.signalled(t, "app updating", os.Interrupt)
		if live, active := w.live(t); live != first || active != 1 || !strings.Contains(said, "the traffic stays with revision") {
			t.Errorf("interrupted, and %s is live, %d run\n%s", live, active, said)
		}
		w.step(t, "deploy interrupted while Azure is at it: undone")
	}
	build := w.version(t)
	// Each leaves the engine and Azure otherwise; the tests of package rollout kill before and after every call.
	for _, at := range []string{
		"app updating",           // the state locked, with an operation that has begun
		"waiting until",          // a revision without traffic
		"giving all the traffic", // the state locked, and who has the traffic may not be in it
		"finishes what it runs",  // the old revision, which still runs
	} {
		w.killed(t, at)
		w.step(t, fmt.Sprintf("deploy killed at %q", at))
	}
	if out, err := w.release(t, "deploy"); err != nil {
		t.Error(out)
	}
	w.step(t, "deploy after that: finished")
	if live, active := w.live(t); live != build || active != 1 {
		t.Errorf("%s is live, want %s, and %d run", live, build, active)
	}
}

// watch looks until the end of the test that all the traffic goes to one revision that is ready.
func (w *world) watch(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			revisions, err := w.cloud.Revisions("app")
			served := 0
			for _, r := range revisions {
				if r.Ready {
					served += r.Weight
				}
			}
			if err != nil || served != 100 {
				state, _ := json.Marshal(revisions)
				t.Errorf("%d %% of the traffic is served: %v %s", served, err, state)
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}
