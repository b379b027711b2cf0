// Package report writes a run's results: a table for people, one JSON document
// for machines. Plain ASCII, so that it reads the same in every console.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/check"
	"github.com/prynai/prynai-mcp/smoke/internal/entra"
)

// Run is what there is to report.
type Run struct {
	URL      string
	Build    string
	Results  []check.Result
	Duration time.Duration
}

// Table writes the results as a short table, then each failure in words.
func Table(w io.Writer, run Run) error {
	var b strings.Builder
	rows := "\nCHECK\tRESULT\tTIME\t\n"
	counts := map[check.Status]int{}
	for _, r := range run.Results {
		counts[r.Status]++
		detail := r.Detail
		if r.Failure != nil {
			detail = "see below"
		}
		rows += fmt.Sprintf("%s\t%s\t%s\t%s\n", r.Name, r.Status, duration(r), detail)
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(tw, rows); err != nil {
		return err
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range run.Results {
		if f := r.Failure; f != nil {
			fmt.Fprintf(&b, "\nFAILED: %s\n  expected  %s\n  got       %s\n  likely    %s\n", r.Name, f.Expected, f.Got, f.Cause)
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d failed, %d skipped in %s: %s\n",
		counts[check.OK], counts[check.Failed], counts[check.Skipped], run.Duration.Round(time.Millisecond), run.URL)
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

// trimLines removes the padding that the table leaves at the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func duration(r check.Result) string {
	if r.Status == check.Skipped {
		return "-"
	}
	return r.Duration.Round(time.Millisecond).String()
}

// JSON writes the results as one document.
func JSON(w io.Writer, run Run) error {
	type item struct {
		Name       string         `json:"name"`
		Status     check.Status   `json:"status"`
		DurationMS int64          `json:"durationMs"`
		Detail     string         `json:"detail,omitempty"`
		Failure    *check.Failure `json:"failure,omitempty"`
	}
	document := struct {
		OK         bool   `json:"ok"`
		URL        string `json:"url"`
		Build      string `json:"build"`
		DurationMS int64  `json:"durationMs"`
		Checks     []item `json:"checks"`
	}{check.Held(run.Results), run.URL, run.Build, run.Duration.Milliseconds(), []item{}}
	for _, r := range run.Results {
		document.Checks = append(document.Checks, item{r.Name, r.Status, r.Duration.Milliseconds(), r.Detail, r.Failure})
	}
	return encode(w, document)
}

// Claims writes what a token says, and not the token.
func Claims(w io.Writer, t entra.Token) error {
	return encode(w, struct {
		Credential string `json:"credential"`
		entra.Claims
	}{t.Credential, t.Claims})
}

// Error writes, as JSON, why there was no run.
func Error(w io.Writer, err error) error {
	return encode(w, struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}{false, err.Error()})
}

func encode(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
