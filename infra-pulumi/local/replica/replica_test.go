package replica

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
)

const (
	patience = 30 * time.Second
	port     = 8000
	secret   = "sesame-open"
)

// The test binary is the server too, with the behaviour that BEHAVE names.
func TestMain(m *testing.M) {
	if behaviour := os.Getenv("BEHAVE"); behaviour != "" {
		serve(behaviour)
	}
	os.Exit(m.Run())
}

func serve(behaviour string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	fmt.Println("the key is", secret)
	if behaviour == "crash" {
		fmt.Fprintln(os.Stderr, "REDIS_URL: no such host")
		os.Exit(4)
	}
	var sick, busy atomic.Bool
	http.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if behaviour == "never ready" || busy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	http.HandleFunc("/busy", func(http.ResponseWriter, *http.Request) { busy.Store(!busy.Load()) })
	http.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, os.Getpid()) })
	http.HandleFunc("/environment", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Join(os.Environ(), "\n"))
	})
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(5) })
	go func() {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Getenv("LISTEN_ADDR"), nil))
		os.Exit(1)
	}()
	<-stop
	if behaviour == "stubborn" {
		select {}
	}
	fmt.Println("drained")
	os.Exit(0)
}

func probes(path string) []declaration.Probe {
	list := []declaration.Probe{
		{Type: declaration.Startup, FailureThreshold: 10},
		{Type: declaration.Liveness, FailureThreshold: 2},
		{Type: declaration.Readiness, FailureThreshold: 2},
	}
	for i := range list {
		list[i].HTTPGet = &declaration.HTTPGet{Path: "/livez", Port: port}
		list[i].PeriodSeconds, list[i].TimeoutSeconds, list[i].SuccessThreshold = 1, 5, 1
	}
	list[2].HTTPGet.Path = path
	return list
}

// transcript is what the operator was told.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (tr *transcript) Tell(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, fmt.Sprintf(format, args...))
}

func (tr *transcript) says(text string) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.ContainsFunc(tr.lines, func(line string) bool { return strings.Contains(line, text) })
}

func start(t *testing.T, behaviour string, change func(*Config)) (*Revision, *transcript) {
	t.Helper()
	told := new(transcript)
	config := Config{
		Revision: "app--1", Replicas: 2, Executable: os.Args[0],
		Environment: map[string]string{"BEHAVE": behaviour, "LISTEN_ADDR": fmt.Sprintf("0.0.0.0:%d", port), "NAME": "as declared"},
		Probes:      probes("/readyz"), Grace: patience,
		Hide: []string{secret}, Tell: told.Tell,
	}
	if change != nil {
		change(&config)
	}
	revision, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(revision.Stop)
	return revision, told
}

func ready(t *testing.T, revision *Revision) {
	t.Helper()
	eventually(t, "all are ready", revision.Ready)
	if err := revision.Problem(); err != nil {
		t.Error(err)
	}
}

func fetch(t *testing.T, address, path string) string {
	t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func TestReplicasServeInTurnAndDrain(t *testing.T) {
	t.Setenv("OF_THE_OPERATOR", "1")
	revision, _ := start(t, "well", nil)
	ready(t, revision)
	var pids []string
	for range 4 {
		address, err := revision.Next(port)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, fetch(t, address, "/pid"))
	}
	if pids[0] == pids[1] || pids[0] != pids[2] || pids[1] != pids[3] {
		t.Errorf("not in turn: %v", pids)
	}

	first := revision.Replicas()[0]
	want := []string{"BEHAVE=well", "CONTAINER_APP_REPLICA_NAME=app--1-0", "LISTEN_ADDR=" + first.ListenAddress(), "NAME=as declared"}
	got := strings.Split(fetch(t, first.ListenAddress(), "/environment"), "\n")
	if runtime.GOOS != "windows" && !slices.Equal(got, want) {
		t.Errorf("the environment is %q, want %q", got, want)
	}

	revision.Stop()
	if lines := first.log.Lines(); !slices.Equal(lines, []string{"the key is [secret]", "drained"}) {
		t.Errorf("the log is %q", lines)
	}
	if _, err := revision.Next(port); !errors.Is(err, ErrNoneReady) {
		t.Error(err)
	}
}

func TestReadinessGatesRequests(t *testing.T) {
	t.Parallel()
	revision, told := start(t, "well", nil)
	ready(t, revision)
	first, second := revision.Replicas()[0], revision.Replicas()[1]
	fetch(t, first.ListenAddress(), "/busy")
	eventually(t, "the busy replica gets no requests", func() bool { return !first.Ready() })
	for range 3 {
		if address, err := revision.Next(port); err != nil || address != second.ListenAddress() {
			t.Fatal(address, err)
		}
	}
	if want := "its Readiness probe (GET /readyz, port 8000) fails: 503"; !told.says(want) {
		t.Errorf("told %q, not %q", told.lines, want)
	}
	fetch(t, first.ListenAddress(), "/busy")
	eventually(t, "the replica is ready again", first.Ready)
}

func TestLivenessStartsAgain(t *testing.T) {
	t.Parallel()
	revision, told := start(t, "well", func(c *Config) { c.Replicas = 1 })
	ready(t, revision)
	address, err := revision.Next(port)
	if err != nil {
		t.Fatal(err)
	}
	pid := fetch(t, address, "/pid")
	fetch(t, address, "/sick")
	eventually(t, "another process serves", func() bool {
		address, err := revision.Next(port)
		return err == nil && told.says("its Liveness probe (GET /livez, port 8000) fails: 500") && fetch(t, address, "/pid") != pid
	})
}

func TestCrashStartsAgain(t *testing.T) {
	t.Parallel()
	revision, told := start(t, "well", func(c *Config) { c.Replicas = 1 })
	ready(t, revision)
	address, err := revision.Next(port)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.Get("http://" + address + "/crash"); err == nil {
		_ = response.Body.Close()
	}
	eventually(t, "it is started again", func() bool {
		_, err := revision.Next(port)
		return told.says("ended by itself (exit status 5)") && err == nil
	})
	if got := revision.Restarts(); got != 1 {
		t.Errorf("%d restarts", got)
	}
}

func TestNeverReady(t *testing.T) {
	tests := map[string]struct {
		behaviour string
		change    func(*Config)
		want      []string
	}{
		"crashes at once": {"crash", nil, []string{
			"replica app--1-", "ended by itself (exit status 4)", "REDIS_URL: no such host", "the key is [secret]"}},
		"not ready": {"never ready", nil, []string{
			"app--1-0 gets no requests: its Readiness probe (GET /readyz, port 8000) fails: 503 Service Unavailable"}},
		"wrong port": {"well", func(c *Config) {
			for i := range c.Probes {
				c.Probes[i].HTTPGet.Port, c.Probes[i].FailureThreshold = 8001, 1
			}
		}, []string{"nothing listens on port 8001, the server's LISTEN_ADDR has 8000"}},
		"no such program": {"well", func(c *Config) { c.Executable += ".absent" }, []string{"cannot be started", "it wrote no log"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			revision, _ := start(t, test.behaviour, test.change)
			eventually(t, "it has a problem", func() bool { return revision.Problem() != nil })
			err := revision.Problem()
			if revision.Ready() {
				t.Error("ready")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a secret is in: %v", err)
			}
		})
	}
}

func TestGraceEnds(t *testing.T) {
	t.Parallel()
	revision, told := start(t, "stubborn", func(c *Config) { c.Replicas, c.Grace = 1, 100*time.Millisecond })
	ready(t, revision)
	revision.Stop()
	if !told.says("still runs 100ms after it was asked to end: killed") {
		t.Error(told.lines)
	}
}
