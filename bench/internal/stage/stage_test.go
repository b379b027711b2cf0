package stage

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestServerUnderLoad puts a short load on the server as the profiles' build
// has it, two replicas with one Redis, and looks at what it tells of itself.
func TestServerUnderLoad(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		const reason = "redis-server is not installed: the server was not loaded"
		if os.Getenv("CI") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	s, err := Open(t.Context(), Options{Root: "../../..", Tags: []string{"profile"}, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	subject, err := s.Start(t.Context(), Replicas)
	if err != nil {
		t.Fatal(err)
	}
	defer subject.Stop()
	for _, era := range []string{"sessions", "stateless"} {
		sample, err := subject.Put(t.Context(), Load{Era: era, Mix: "call=9,list=1", Rate: 100, Concurrency: 64, Sessions: 20, Duration: time.Second})
		if err != nil || sample.PerSecond < 90 || sample.P50 <= 0 {
			t.Errorf("%s: %+v %v", era, sample, err)
		}
	}
	if got := get(t, subject.Profiles+"heap?debug=1"); !strings.Contains(got, "heap profile") {
		t.Errorf("no heap profile: %.100s", got)
	}
	for _, url := range subject.URLs {
		if got := get(t, strings.TrimSuffix(url, "mcp")+"debug/pprof/"); strings.Contains(got, "goroutine") {
			t.Error("the server's own listener tells of the process")
		}
	}
}

// TestContainer: what the measured server is told is what the stack tells it.
func TestContainer(t *testing.T) {
	declared, err := os.ReadFile("../../../infra-pulumi/stack/testdata/managed.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range container {
		name, value, _ := strings.Cut(variable, "=")
		if !regexp.MustCompile(`"name": "` + name + `",\s+"value": "` + value + `"`).Match(declared) {
			t.Errorf("the stack does not set %s", variable)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
