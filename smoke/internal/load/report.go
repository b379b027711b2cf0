package load

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what came of a run. Latencies are in milliseconds.
type Report struct {
	URLs        []string  `json:"urls"`
	Era         Era       `json:"era"`
	Mix         string    `json:"mix"`
	Rate        float64   `json:"rate"` // asked for; 0 is the closed model
	Concurrency int       `json:"concurrency"`
	Sessions    int       `json:"sessions"`
	Principals  int       `json:"principals"`
	Streams     int       `json:"streams"`
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"` // measured

	Total      OperationReport   `json:"total"`
	Operations []OperationReport `json:"operations"`
	Errors     []ErrorCount      `json:"errors"`
	Cut        int64             `json:"cut"`      // streams that were cut on purpose
	Unsent     int64             `json:"unsent"`   // due, but all clients were busy to the end
	Reopened   int64             `json:"reopened"` // idle streams that the server had ended

	Process     *ProcessReport `json:"process,omitempty"`
	ProcessNote string         `json:"processNote,omitempty"` // why there is none
	ClientCPU   float64        `json:"clientCpuSeconds"`

	Series []Second `json:"series"` // the warm-up is before 0
}

// OperationReport is about the operations of one kind that were due in the
// measured time.
type OperationReport struct {
	Name      string  `json:"name"`
	Count     int64   `json:"count"` // without the failed
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	P999      float64 `json:"p999"`
	Max       float64 `json:"max"`
	Curve     []Point `json:"curve,omitempty"`
}

// Point is a latency that a share of the operations does not exceed.
type Point struct {
	Percentile   float64 `json:"percentile"`
	Milliseconds float64 `json:"ms"`
}

// ErrorCount is how often something went wrong, and once in words.
type ErrorCount struct {
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitempty"`
}

// ProcessReport is about the server's processes in the measured time.
type ProcessReport struct {
	IDs            []int   `json:"ids"`
	CPUSeconds     float64 `json:"cpuSeconds"`
	Answered       int64   `json:"answered"` // well, within the measured time
	AnsweredPerCPU float64 `json:"answeredPerCpuSecond"`
	ResidentBefore int64   `json:"residentBefore"` // bytes, before the sessions were made
	ResidentAfter  int64   `json:"residentAfter"`
}

// Second is what happened in a second.
type Second struct {
	At        float64 `json:"at"`
	PerSecond float64 `json:"perSecond"`
	Failed    int64   `json:"failed"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	CPU       float64 `json:"cpu"` // of the server, in cores
	Resident  int64   `json:"resident"`
	Streams   int64   `json:"streams"`
}

// Held reports whether there was a load and all went well.
func (r Report) Held() bool { return r.Total.Count > 0 && r.Total.Failed == 0 && r.Unsent == 0 }

// Model is open or closed.
func (r Report) Model() string {
	if r.Rate > 0 {
		return "open"
	}
	return "closed"
}

// JSON writes a report as one document.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (rec *recorder) report(plan Plan) Report {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	seconds := min(rec.end.Sub(rec.begin), plan.Duration).Seconds()
	r := Report{
		Started: rec.begin.UTC(), Seconds: seconds, Cut: rec.cut, Unsent: rec.late,
		Operations: []OperationReport{}, Errors: []ErrorCount{}, Series: rec.seconds,
		ClientCPU: rec.clientCPU.length().Seconds(),
	}
	all := tally{latency: newHistogram()}
	for name, t := range rec.operations {
		r.Operations = append(r.Operations, t.report(string(name), seconds))
		all.latency.Merge(t.latency)
		all.failed += t.failed
	}
	slices.SortFunc(r.Operations, func(a, b OperationReport) int { return strings.Compare(a.Name, b.Name) })
	r.Total = all.report("all", seconds)
	for _, e := range rec.failures {
		r.Errors = append(r.Errors, *e)
	}
	slices.SortFunc(r.Errors, func(a, b ErrorCount) int { return strings.Compare(a.Kind, b.Kind) })
	if len(rec.server) == 0 {
		return r
	}
	if r.ProcessNote = rec.server.unavailable(); r.ProcessNote != "" {
		return r
	}
	used := rec.serverCPU.length().Seconds()
	r.Process = &ProcessReport{IDs: rec.server, CPUSeconds: used, Answered: rec.answered, ResidentAfter: rec.server.resident()}
	if used > 0 {
		r.Process.AnsweredPerCPU = float64(rec.answered) / used
	}
	return r
}

var percentiles = []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100}

func (t tally) report(name string, seconds float64) OperationReport {
	h := t.latency
	r := OperationReport{
		Name: name, Count: h.TotalCount(), Failed: t.failed, PerSecond: perSecond(h, seconds),
		P50: milliseconds(h, 50), P90: milliseconds(h, 90), P99: milliseconds(h, 99), P999: milliseconds(h, 99.9), Max: float64(h.Max()) / 1000,
	}
	for _, p := range percentiles {
		if h.TotalCount() > 0 {
			r.Curve = append(r.Curve, Point{p, milliseconds(h, p)})
		}
	}
	return r
}

func perSecond(h *hdrhistogram.Histogram, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(h.TotalCount()) / seconds
}

// describe adds what was asked for.
func (r *Report) describe(plan Plan, made *run) {
	for _, u := range plan.URLs {
		r.URLs = append(r.URLs, u.String())
	}
	r.Era, r.Mix, r.Rate, r.Concurrency = plan.Era, plan.Mix.String(), plan.Rate, plan.Concurrency
	r.Principals, r.Streams, r.Reopened = len(plan.Principals), plan.Streams, made.streams.again.Load()
	if plan.Era == Sessions {
		r.Sessions = plan.Sessions
	}
}
