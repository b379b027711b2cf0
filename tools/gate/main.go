// Command gate runs the tests of every module of the repository, in the
// workspace and with GOWORK=off, as a user of a single module sees it. It fails
// when a test fails, and when a module ran no test at all. Skipped tests are
// listed with their reasons.
//
// Usage, from the repository's root: gate [-workspace-only] [go test flags]
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// modules of the workspace, with the folder of each.
var modules = []string{"server", "smoke", ".", "tools"}

// apart is outside the workspace, whose modules would else be built with the
// dependencies of the server's peers.
const apart = "bench"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, flags []string, out io.Writer) error {
	modes := []bool{true, false}
	if len(flags) > 0 && flags[0] == "-workspace-only" {
		modes, flags = modes[:1], flags[1:]
	}
	var all tally
	var failures []error
	for _, workspace := range modes {
		for _, module := range inMode(workspace) {
			started := time.Now()
			t, err := test(ctx, module, workspace, flags, out)
			fmt.Fprintf(out, "%-8s %-12s %4d passed, %d failed, %d skipped  %s\n", name(module), mode(workspace),
				t.passed, t.failed, len(t.skipped), time.Since(started).Round(100*time.Millisecond))
			if err != nil {
				failures = append(failures, fmt.Errorf("%s, %s: %w", name(module), mode(workspace), err))
			}
			all.add(t)
		}
	}
	for _, test := range slices.Sorted(maps.Keys(all.skipped)) {
		fmt.Fprintf(out, "skipped  %s: %s\n", test, all.skipped[test])
	}
	fmt.Fprintf(out, "tests: %d passed, %d failed, %d skipped\n", all.passed, all.failed, len(all.skipped))
	return errors.Join(failures...)
}

// inMode are the modules that can be tested so.
func inMode(workspace bool) []string {
	if workspace {
		return modules
	}
	return append(slices.Clone(modules), apart)
}

func name(module string) string {
	if module == "." {
		return "infra"
	}
	return module
}

func mode(workspace bool) string {
	if workspace {
		return "workspace"
	}
	return "GOWORK=off"
}

// tally counts the tests of a module; subtests count as tests.
type tally struct {
	passed, failed int
	skipped        map[string]string // reason by test
}

func (t *tally) add(other tally) {
	t.passed += other.passed
	t.failed += other.failed
	if t.skipped == nil {
		t.skipped = map[string]string{}
	}
	maps.Copy(t.skipped, other.skipped)
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// test runs one module's tests and shows the output of those that fail.
func test(ctx context.Context, module string, workspace bool, flags []string, out io.Writer) (tally, error) {
	arguments := append([]string{"test", "-json"}, flags...)
	if module == "tools" {
		// Its tests read the whole repository, which Go's cache of results
		// does not watch.
		arguments = append(arguments, "-count=1")
	}
	cmd := exec.CommandContext(ctx, "go", append(arguments, "./...")...)
	cmd.Dir = module
	cmd.Env = os.Environ()
	if !workspace {
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	t, err := read(stdout, out)
	if waitErr := cmd.Wait(); err == nil {
		err = waitErr
	}
	switch {
	case err != nil && t.failed == 0:
		return t, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	case err != nil:
		return t, fmt.Errorf("%d failed", t.failed)
	case t.passed == 0:
		return t, errors.New("no test ran")
	}
	return t, nil
}

// read counts what go test -json says.
func read(r io.Reader, out io.Writer) (tally, error) {
	t := tally{skipped: map[string]string{}}
	output := map[string]*strings.Builder{}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(out, "%s", line) // a build error, in plain text
				continue
			}
			t.count(e, output, out)
		}
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}

func (t *tally) count(e event, output map[string]*strings.Builder, out io.Writer) {
	key := e.Package + " " + e.Test
	text := cmp.Or(output[key], &strings.Builder{})
	output[key] = text
	switch e.Action {
	case "output", "build-output":
		text.WriteString(e.Output)
	case "fail", "build-fail":
		if e.Test != "" {
			t.failed++
		}
		fmt.Fprintf(out, "FAIL %s\n%s", key, text)
	case "pass":
		if e.Test != "" {
			t.passed++
		}
		delete(output, key)
	case "skip":
		if e.Test != "" {
			t.skipped[key] = reason(text.String())
		}
		delete(output, key)
	}
}

// reason is what a test said when it skipped itself.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, ok := strings.Cut(line, "_test.go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			line = text
		}
		said = append(said, line)
	}
	return strings.Join(said, " ")
}
