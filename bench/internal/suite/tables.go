package suite

import "github.com/prynai/prynai-mcp/bench/internal/stage"

// Table has the absolute numbers of an era.
type Table struct {
	Title string
	Rows  []Row
}

// Row is a server's: medians over the rounds, latencies in milliseconds.
type Row struct {
	Name                            string
	PerCPU, P50, P99                float64 // at the fixed rate
	PerSecond, ClosedP50, ClosedP99 float64 // in the closed loop
	BusyPerCPU                      float64 // likewise
}

// Tables are the sessions' and the stateless era's, in a fixed order.
func (r *Results) Tables() []Table {
	tables := []Table{{Title: "Sessions (2025-11-25)"}, {Title: "Stateless (2026-07-28)"}}
	for i, era := range []string{sessions, stateless} {
		for _, name := range subjects[era] {
			open, closed := r.Samples[measurement{name, era, Open}], r.Samples[measurement{name, era, Closed}]
			if len(open) == 0 {
				continue
			}
			tables[i].Rows = append(tables[i].Rows, Row{
				Name: name, PerCPU: of(open, perCPU), P50: of(open, p50), P99: of(open, p99),
				BusyPerCPU: of(closed, perCPU), PerSecond: of(closed, perSecond), ClosedP50: of(closed, p50), ClosedP99: of(closed, p99),
			})
		}
	}
	return tables
}

func perSecond(s stage.Sample) float64 { return s.PerSecond }

func of(samples []stage.Sample, value func(stage.Sample) float64) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, value(s))
	}
	return median(all)
}

// Own reports whether the row is this project's.
func (r Row) Own() bool { return r.Name == stage.Server || r.Name == stage.Replicas }
