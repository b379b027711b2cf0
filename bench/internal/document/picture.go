package document

import (
	"bytes"
	"fmt"
	"html"

	"github.com/prynai/prynai-mcp/bench/internal/suite"
)

// The picture's measures.
const (
	width     = 760
	labels    = 190 // room for the names
	barHeight = 22
	rowHeight = 30
	titles    = 44 // room above each table's bars
)

// picture draws the calls per CPU-second as bars. Its style follows the
// reader's choice of light or dark, in a document or alone.
func picture(r *suite.Results) []byte {
	tables := r.Tables()
	highest, height := 1.0, 16
	for _, table := range tables {
		height += titles + rowHeight*len(table.Rows)
		for _, row := range table.Rows {
			highest = max(highest, row.PerCPU)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Calls per CPU-second">
<style>
text { font: 14px system-ui, sans-serif; fill: #1b1f24; } .title { font-weight: 600; } .value { fill: #59636e; font-variant-numeric: tabular-nums; }
.bar { fill: #8c959f; } .own { fill: #0b62c4; }
@media (prefers-color-scheme: dark) { text { fill: #e8ecf1; } .value { fill: #9aa6b2; } .bar { fill: #59636e; } .own { fill: #6cb0ff; } }
</style>
`, width, height)
	y := 0
	for _, table := range tables {
		y += titles
		fmt.Fprintf(&b, "<text class=\"title\" x=\"0\" y=\"%d\">Calls per CPU-second, %s</text>\n", y-14, html.EscapeString(table.Title))
		for _, row := range table.Rows {
			class := "bar"
			if row.Own() {
				class = "own"
			}
			long := row.PerCPU / highest * (width - labels - 80)
			middle := y + barHeight/2 + 5
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", labels-12, middle, html.EscapeString(row.Name))
			fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%d\" rx=\"3\"/>", class, labels, y, long, barHeight)
			fmt.Fprintf(&b, "<text class=\"value\" x=\"%.0f\" y=\"%d\">%.0f</text>\n", labels+long+8, middle, row.PerCPU)
			y += rowHeight
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
