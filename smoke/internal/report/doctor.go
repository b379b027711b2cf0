package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/prynai/prynai-mcp/smoke/internal/check"
)

// Doctor writes results as they come, a line each, and in the end what to
// change about the first that failed: what failed after it may well be its
// consequence.
type Doctor struct {
	w     io.Writer
	first *check.Result
	err   error
	held  bool
}

// NewDoctor returns a Doctor that writes to w.
func NewDoctor(w io.Writer) *Doctor { return &Doctor{w: w, held: true} }

// Add writes one line.
func (d *Doctor) Add(r check.Result) {
	word, text := string(r.Status), r.Detail
	if r.Failure != nil {
		word, text = "FAILED", r.Failure.Got
		if d.first == nil {
			d.first = &r
		}
	}
	d.held = d.held && r.Status == check.OK
	d.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-10s %-8s %s", r.Name, word, text), " "))
}

// Conclude writes the conclusion and tells whether everything held.
func (d *Doctor) Conclude() (bool, error) {
	switch {
	case d.first != nil:
		f := d.first.Failure
		d.printf("\nStart with %s.\n  expected  %s\n  got       %s\n  change    %s\n", d.first.Name, f.Expected, f.Got, f.Cause)
	case d.held:
		d.printf("\nNothing is wrong. Run smoke without doctor to check all that the server offers.\n")
	default:
		d.printf("\nThe examination did not come to its end.\n")
	}
	return d.held, d.err
}

func (d *Doctor) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(d.w, format, args...); err != nil && d.err == nil {
		d.err = err
	}
}
