package load

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Parse(pageText))

// HTML writes a report as a page that needs nothing else: no script, no
// network. It follows the reader's choice of light or dark.
func (r Report) HTML(w io.Writer) error {
	return page.Execute(w, struct {
		Report
		Charts []chart
	}{r, []chart{r.throughput(), r.latency(), r.distribution()}})
}

// chart is a drawing with two axes and some curves.
type chart struct {
	Title, Across string
	X, Y          []tick
	Curves        []curve
	Mark          float64 // a vertical line: where the measured time begins; 0 for none
}

type tick struct {
	At    float64 // in the drawing
	Label string
}

type curve struct {
	Name  string
	Class string
	Path  string
}

// Where the axes stand in the drawing, which is 720 by 260.
const (
	left, right = 64.0, 704.0
	top, bottom = 16.0, 220.0
)

type series struct {
	name, class string
	y           []float64
}

func (r Report) throughput() chart {
	done := series{name: "answered a second", class: "first"}
	failed := series{name: "failed", class: "bad"}
	for _, s := range r.Series {
		done.y = append(done.y, s.PerSecond)
		failed.y = append(failed.y, float64(s.Failed))
	}
	lines := []series{done}
	if r.Total.Failed > 0 {
		lines = append(lines, failed)
	}
	if r.Rate > 0 {
		asked := series{name: "asked for", class: "goal"}
		for range r.Series {
			asked.y = append(asked.y, r.Rate)
		}
		lines = append(lines, asked)
	}
	return r.overTime("Throughput, operations a second", lines, linear)
}

func (r Report) latency() chart {
	p50, p99 := series{name: "p50", class: "first"}, series{name: "p99", class: "second"}
	for _, s := range r.Series {
		p50.y, p99.y = append(p50.y, s.P50), append(p99.y, s.P99)
	}
	return r.overTime("Latency, milliseconds", []series{p50, p99}, decades)
}

// overTime draws curves over the seconds of the run.
func (r Report) overTime(title string, lines []series, axis axis) chart {
	c := chart{Title: title, Across: "seconds; the warm-up is before 0"}
	if len(r.Series) == 0 {
		return c
	}
	first, last := r.Series[0].At, math.Min(r.Series[len(r.Series)-1].At, r.Seconds)
	x := scale(first, math.Max(last, first+1), left, right)
	y := axis(&c, lines)
	for _, at := range steps(first, last, 8) {
		c.X = append(c.X, tick{x(at), fmt.Sprintf("%g", at)})
	}
	if first < 0 && last > 0 {
		c.Mark = x(0)
	}
	for _, line := range lines {
		var path strings.Builder
		for i, value := range line.y {
			// What comes later are the last operations' ends.
			if r.Series[i].At <= r.Seconds+0.5 {
				point(&path, math.Min(x(r.Series[i].At), right), y(value))
			}
		}
		c.Curves = append(c.Curves, curve{line.name, line.class, path.String()})
	}
	return c
}

// distribution draws the latency over the percentile; each step to the right is
// ten times rarer.
func (r Report) distribution() chart {
	c := chart{Title: "Latency by percentile, milliseconds", Across: "percentile"}
	rarity := func(percentile float64) float64 { return -math.Log10(1 - math.Min(percentile, 99.99)/100) }
	x := scale(0, 4, left, right)
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99} {
		c.X = append(c.X, tick{x(rarity(p)), fmt.Sprintf("%g", p)})
	}
	classes := []string{"first", "second", "third", "fourth", "fifth", "sixth"}
	var lines []series
	for i, o := range r.Operations {
		line := series{name: o.Name, class: classes[i%len(classes)]}
		for _, p := range o.Curve {
			line.y = append(line.y, p.Milliseconds)
		}
		lines = append(lines, line)
	}
	y := decades(&c, lines)
	for i, line := range lines {
		var path strings.Builder
		for j, value := range line.y {
			if p := r.Operations[i].Curve[j].Percentile; p < 100 {
				point(&path, x(rarity(p)), y(value))
			}
		}
		c.Curves = append(c.Curves, curve{line.name, line.class, path.String()})
	}
	return c
}

// An axis makes a chart's vertical axis so that its curves fit.
type axis func(c *chart, lines []series) (y func(float64) float64)

// linear begins at zero.
func linear(c *chart, lines []series) func(float64) float64 {
	_, highest := extremes(lines)
	y := scale(0, highest*1.05, bottom, top)
	for _, at := range steps(0, highest*1.05, 5) {
		c.Y = append(c.Y, tick{y(at), fmt.Sprintf("%g", at)})
	}
	return y
}

// decades is for latencies, which span a call's fraction of a millisecond and a
// stream's seconds.
func decades(c *chart, lines []series) func(float64) float64 {
	lowest, highest := extremes(lines)
	from, to := math.Floor(math.Log10(lowest)), math.Ceil(math.Log10(highest))
	if from == to {
		to++
	}
	linear := scale(from, to, bottom, top)
	for at := from; at <= to; at++ {
		c.Y = append(c.Y, tick{linear(at), fmt.Sprintf("%g", math.Pow(10, at))})
	}
	return func(value float64) float64 { return linear(math.Log10(math.Max(value, math.Pow(10, from)))) }
}

// extremes are the smallest and the largest value above zero.
func extremes(lines []series) (lowest, highest float64) {
	lowest = math.Inf(1)
	for _, line := range lines {
		for _, value := range line.y {
			if value > 0 {
				lowest, highest = math.Min(lowest, value), math.Max(highest, value)
			}
		}
	}
	if highest == 0 {
		return 1, 1
	}
	return lowest, highest
}

// scale maps a range of values onto one of the drawing.
func scale(from, to, start, end float64) func(float64) float64 {
	return func(value float64) float64 { return start + (value-from)/(to-from)*(end-start) }
}

func point(path *strings.Builder, x, y float64) {
	command := byte('L')
	if path.Len() == 0 {
		command = 'M'
	}
	fmt.Fprintf(path, "%c%.1f %.1f", command, x, y)
}

// steps are round numbers between two values, about as many as wanted.
func steps(from, to float64, wanted int) []float64 {
	rough := (to - from) / float64(wanted)
	if rough <= 0 {
		return []float64{from}
	}
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	step := unit * 10
	for _, factor := range []float64{1, 2, 5} {
		if rough <= unit*factor {
			step = unit * factor
			break
		}
	}
	var values []float64
	for i := math.Ceil(from / step); i*step <= to; i++ {
		values = append(values, math.Round(i*step*1e6)/1e6+0) // and no -0
	}
	return values
}
