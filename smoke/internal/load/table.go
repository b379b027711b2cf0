package load

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Line is a second in one line.
func (s Second) Line() string {
	line := fmt.Sprintf("%4.0f s  %8.0f /s  p50 %8.2f ms  p99 %8.2f ms  %d failed", s.At, s.PerSecond, s.P50, s.P99, s.Failed)
	if s.CPU > 0 {
		line += fmt.Sprintf("  CPU %3.0f%%", 100*s.CPU)
	}
	if s.Streams > 0 {
		line += fmt.Sprintf("  %d streams", s.Streams)
	}
	return line
}

// Headline says in words what was made.
func (r Report) Headline() string {
	model := fmt.Sprintf("closed model, %d clients", r.Concurrency)
	if r.Rate > 0 {
		model = fmt.Sprintf("open model, %g a second", r.Rate)
	}
	who := "the stateless era"
	if r.Era == Sessions {
		who = fmt.Sprintf("%d sessions", r.Sessions)
	}
	if r.Principals > 0 {
		who += fmt.Sprintf(" of %d principals", r.Principals)
	}
	return fmt.Sprintf("%s for %.0f s: %s; %s; %s", model, r.Seconds, r.Mix, who, strings.Join(r.URLs, ", "))
}

// Notes are what else there is to say, a sentence each.
func (r Report) Notes() []string {
	var notes []string
	note := func(is bool, format string, args ...any) {
		if is {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	if p := r.Process; p != nil {
		note(true, "server: %.2f s of CPU, %.0f operations per CPU-second, %.1f MB resident (%.1f before the run)",
			p.CPUSeconds, p.AnsweredPerCPU, megabytes(p.ResidentAfter), megabytes(p.ResidentBefore))
	}
	note(r.ProcessNote != "", "%s", r.ProcessNote)
	note(r.ClientCPU > 0, "client: %.2f s of CPU", r.ClientCPU)
	note(r.Cut > 0, "%d streams were cut on purpose", r.Cut)
	note(r.Reopened > 0, "%d idle streams were ended by the server and opened again", r.Reopened)
	note(r.Unsent > 0, "%d operations were due and never sent: all %d clients were busy", r.Unsent, r.Concurrency)
	return notes
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Rows are the operations, with their total where there is more than one.
func (r Report) Rows() []OperationReport {
	if len(r.Operations) == 1 {
		return r.Operations
	}
	return append(r.Operations[:len(r.Operations):len(r.Operations)], r.Total)
}

// Table writes a report for people, latencies in milliseconds.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n", r.Headline())
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "OPERATION\tCOUNT\tFAILED\tPER SECOND\tP50 ms\tP90\tP99\tP99.9\tMAX\t")
	for _, o := range r.Rows() {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", o.Name, o.Count, o.Failed, o.PerSecond, o.P50, o.P90, o.P99, o.P999, o.Max)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Errors) > 0 {
		fmt.Fprintln(&b)
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "%d x %s: %s\n", e.Count, e.Kind, strings.Join(strings.Fields(e.Example), " "))
	}
	fmt.Fprintln(&b)
	for _, note := range r.Notes() {
		fmt.Fprintln(&b, note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
