package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// The official conformance suite, against the product with the surface of
// package conformance. `go tool task conformance` runs it.

const suiteVersion = "0.2.0-alpha.12"

// required is how many scenarios of the suite a revision requires of a server:
// the suite itself must not shrink unseen.
var required = map[string]int{"2025-11-25": 30, "2026-07-28": 37}

// unsupported is what this server does not offer, by the beginning of a
// scenario's name. None of it is required by a revision.
var unsupported = map[string]string{
	"tasks-": "this server does not declare the extension io.modelcontextprotocol/tasks",
}

func TestConformance(t *testing.T) {
	gate(t, "PRYNAI_CONFORMANCE")
	program := node(t)
	suite := filepath.Join(npmInstall(t, "conformance", "@modelcontextprotocol/conformance", suiteVersion),
		"node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")

	redis := "REDIS_URL=" + redistest.Start(t, "--appendonly", "no").URL
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = startReplica(t, "conformance", redis)
	}
	for _, revision := range slices.Sorted(maps.Keys(required)) {
		t.Run(revision+" directly", func(t *testing.T) {
			url := "http://" + replicas[0].Address + "/mcp"
			runSuite(t, program, suite, revision, url).report(t, revision+" directly", required[revision])
		})
		t.Run(revision+" over replicas", func(t *testing.T) {
			balancer := startBalancer(t, replicas...)
			runSuite(t, program, suite, revision, balancer.URL+"/mcp").report(t, revision+" over three replicas", required[revision])
			balancer.reachedAll(t)
		})
	}
}

// suiteResult is what the suite found, by scenario.
type suiteResult struct {
	scenarios map[string]checks
	unscored  map[string]string // the suite's reason why a scenario does not count
	output    string
}

// checks are those of one scenario.
type checks []struct {
	ID           string
	Status       string // SUCCESS, FAILURE, WARNING, INFO or SKIPPED
	ErrorMessage string
}

func (c checks) count(status string) (n int) {
	for _, check := range c {
		if check.Status == status {
			n++
		}
	}
	return n
}

// passed demands a success: a scenario that checked nothing has not passed.
func (c checks) passed() bool { return c.count("FAILURE") == 0 && c.count("SUCCESS") > 0 }

var (
	resultFolder  = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$`)
	unscoredEntry = regexp.MustCompile(`(?m)^  \S+ (\S+) \((.+)\)$`)
)

func runSuite(t *testing.T, program, suite, revision, url string) suiteResult {
	t.Helper()
	folder := t.TempDir()
	run := exec.CommandContext(t.Context(), program, suite, "server",
		"--url", url, "--requirements", revision, "--output-dir", folder)
	output, err := run.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) { // failed scenarios are counted below
		t.Fatal(err)
	}
	result := suiteResult{scenarios: map[string]checks{}, unscored: map[string]string{}, output: string(output)}
	folders, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range folders {
		name := resultFolder.FindStringSubmatch(entry.Name())
		if name == nil {
			t.Fatalf("unknown result of the suite: %s", entry.Name())
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name(), "checks.json"))
		if err != nil {
			t.Fatal(err)
		}
		var found checks
		if err := json.Unmarshal(text, &found); err != nil {
			t.Fatalf("%s: %v", entry.Name(), err)
		}
		result.scenarios[name[1]] = found
	}
	_, tail, _ := strings.Cut(result.output, "\nNot scored for ")
	for _, entry := range unscoredEntry.FindAllStringSubmatch(tail, -1) {
		result.unscored[entry[1]] = entry[2]
	}
	return result
}

// report prints a line for the scored scenarios, and one for each other.
func (r suiteResult) report(t *testing.T, run string, want int) {
	t.Helper()
	passed, total := 0, 0
	for _, name := range slices.Sorted(maps.Keys(r.scenarios)) {
		found := r.scenarios[name]
		if reason, ok := r.unscored[name]; ok {
			reportUnscored(t, name, reason, found)
			continue
		}
		total++
		if found.passed() {
			passed++
		} else {
			t.Errorf("%s failed", name)
		}
		for _, check := range found {
			if check.Status == "FAILURE" || check.Status == "WARNING" { // a MUST, a SHOULD
				t.Errorf("%s: %s %s: %s", name, check.Status, check.ID, check.ErrorMessage)
			}
		}
	}
	t.Logf("%s: %d/%d scored scenarios passed", run, passed, total)
	if total != want {
		t.Errorf("the revision requires %d scenarios", want)
	}
	if t.Failed() {
		t.Logf("the suite's output:\n%s", r.output)
	}
}

// reportUnscored lets a scenario that does not count fail only for a reason.
func reportUnscored(t *testing.T, name, reason string, found checks) {
	t.Helper()
	if found.passed() {
		t.Logf("not scored (%s): %s passed", reason, name)
		return
	}
	for prefix, why := range unsupported {
		if strings.HasPrefix(name, prefix) {
			t.Logf("not scored (%s): %s does not pass: %s", reason, name, why)
			return
		}
	}
	t.Errorf("not scored (%s): %s failed", reason, name)
}

// reachedAll checks that requests came to every replica.
func (b *balancer) reachedAll(t *testing.T) {
	t.Helper()
	reached := map[*replica]bool{}
	for _, v := range b.visited() {
		reached[v.Replica] = true
	}
	if len(reached) != len(b.replicas) {
		t.Errorf("requests reached %d of %d replicas", len(reached), len(b.replicas))
	}
}
