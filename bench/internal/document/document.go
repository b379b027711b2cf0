// Package document writes docs/performance.md and its picture.
package document

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/suite"
)

//go:embed performance.md.tmpl
var text string

var page = template.Must(template.New("performance").Parse(text))

// Write writes both into a folder.
func Write(ctx context.Context, folder string, r *suite.Results) error {
	var markdown bytes.Buffer
	err := page.Execute(&markdown, struct {
		*suite.Results
		Machine, Date string
	}{r, machine(ctx), time.Now().UTC().Format(time.DateOnly)})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "performance.md"), markdown.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "performance.svg"), picture(r), 0o644)
}

// Print writes what was measured, and the goals, for a terminal.
func Print(w io.Writer, r *suite.Results) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, table := range r.Tables() {
		fmt.Fprintf(t, "\n%s\tCALLS PER CPU-SECOND\tP50 ms\tP99 ms\tCLOSED LOOP, CALLS/s\tP50 ms\tP99 ms\n", table.Title)
		for _, row := range table.Rows {
			fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%.0f\t%.2f\t%.2f\n", row.Name, row.PerCPU, row.P50, row.P99, row.PerSecond, row.ClosedP50, row.ClosedP99)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(t, "\nGOAL\tWANTED\tMEASURED\tVERDICT")
	for _, g := range r.Goals() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.What, g.Want, g.Measured, g.Verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for name, reason := range r.Missing {
		fmt.Fprintf(w, "%s was not measured: %s\n", name, reason)
	}
	return nil
}

// machine says what was measured on, as far as it can be found out.
func machine(ctx context.Context) string {
	m := fmt.Sprintf("%d CPUs, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, model, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				m = strings.TrimSpace(model) + ", " + m
				break
			}
		}
	}
	if version, err := exec.CommandContext(ctx, "redis-server", "--version").Output(); err == nil {
		if fields := strings.Fields(string(version)); len(fields) > 2 {
			m += ", Redis " + strings.TrimPrefix(fields[2], "v=")
		}
	}
	return m
}
