package suite

import (
	"fmt"
	"slices"

	"github.com/prynai/prynai-mcp/bench/internal/peer"
	"github.com/prynai/prynai-mcp/bench/internal/stage"
)

// Goal is one that was set, and what was measured of it.
type Goal struct {
	What, Want, Measured string
	Verdict              Verdict
}

// Verdict is whether a goal is met.
type Verdict string

// The verdicts.
const (
	Met        Verdict = "met"
	NotMet     Verdict = "not met"
	Unmeasured Verdict = "not measured"
)

// ratio is of one measurement to another within each round.
type ratio struct{ low, median, high float64 }

func (r ratio) String() string {
	if r.low == r.high {
		return fmt.Sprintf("%.2f ×", r.median)
	}
	return fmt.Sprintf("%.2f × (%.2f to %.2f)", r.median, r.low, r.high)
}

// compare divides what of sees in the samples of one by those of the other.
func (r *Results) compare(one, other measurement, of func(stage.Sample) float64) (ratio, bool) {
	a, b := r.Samples[one], r.Samples[other]
	var all []float64
	for i := range min(len(a), len(b)) {
		if of(b[i]) > 0 {
			all = append(all, of(a[i])/of(b[i]))
		}
	}
	if len(all) == 0 {
		return ratio{}, false
	}
	return ratio{slices.Min(all), median(all), slices.Max(all)}, true
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

func perCPU(s stage.Sample) float64 { return s.PerCPUSecond }
func p50(s stage.Sample) float64    { return s.P50 }
func p99(s stage.Sample) float64    { return s.P99 }

// Goals are all that were set, measured.
func (r *Results) Goals() []Goal {
	server := func(era string, kind Kind) measurement { return measurement{stage.Server, era, kind} }
	atLeast := func(what string, want float64, one, other measurement) Goal {
		measured, ok := r.compare(one, other, perCPU)
		return judge(what, fmt.Sprintf("≥ %g ×", want), measured.String()+r.busy(one, other)+r.single(one, other), ok, measured.median >= want)
	}
	goals := []Goal{
		atLeast("plain call, sessions and auth on, to bare mcp-go with neither", 1.3, server(sessions, Open), measurement{peer.MCPGo, sessions, Open}),
		r.p50Goal(), r.p99Goal(),
		atLeast("plain call in the stateless era, to bare mcp-go", 2.5, server(stateless, Open), measurement{peer.MCPGo, stateless, Open}),
		atLeast("plain call, to the official go-sdk", 5, server(sessions, Open), measurement{peer.GoSDK, sessions, Open}),
		atLeast("plain call in the stateless era, to the official go-sdk", 8, server(stateless, Open), measurement{peer.GoSDK, stateless, Open}),
		atLeast("plain call, to net/http that echoes the same POST", 0.6, server(sessions, Open), measurement{peer.Floor, sessions, Open}),
		atLeast("streaming call (10 reports of progress, recorded in Redis), to bare mcp-go unrecorded", 0.7, server(sessions, Stream), measurement{peer.MCPGo, sessions, Stream}),
		atLeast("two replicas on the same two cores, to one", 0.9, measurement{stage.Replicas, sessions, Open}, server(sessions, Open)),
	}
	f := r.facts
	return append(goals,
		f.redisCommands.goal("Redis commands of 1,000 plain calls on two replicas", "0", "%.0f", 0),
		f.allocations.goal("allocations of a plain call, to bare mcp-go's", "≤ 1.2 ×", "%.2f ×", 1.2),
		f.idleStream.goal("idle GET stream, resident", "≤ 40 KB each", "%.0f bytes", 40_000),
		f.start.goal("from the process's start to /readyz 200", "≤ 150 ms", "%.0f ms", 150),
		f.image.goal("image, compressed", "≤ 12 MB", "%.1f MB", 12),
	)
}

// busy is what the ratio is where both have as much to do as they can. At the
// rate that the slowest reaches, the others wait most of the time, and what it
// costs to be woken for each call is the same for all.
func (r *Results) busy(one, other measurement) string {
	if one.Kind != Open {
		return ""
	}
	one.Kind, other.Kind = Closed, Closed
	measured, ok := r.compare(one, other, perCPU)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; fully busy %.2f ×", measured.median)
}

// single is what the ratio is where the other, too, has a single processor.
func (r *Results) single(one, other measurement) string {
	other.Subject += stage.Single
	measured, ok := r.compare(one, other, perCPU)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; one processor each %.2f ×", measured.median)
}

func judge(what, want, measured string, known, met bool) Goal {
	switch {
	case !known:
		return Goal{what, want, "-", Unmeasured}
	case met:
		return Goal{what, want, measured, Met}
	}
	return Goal{what, want, measured, NotMet}
}

func (r *Results) p50Goal() Goal {
	measured, ok := r.compare(measurement{stage.Server, sessions, Open}, measurement{peer.MCPGo, sessions, Open}, p50)
	return judge("its p50 at the same rate, to bare mcp-go's", "≤ 1.1 ×", measured.String(), ok, measured.median <= 1.1)
}

// p99Goal takes as chance what two processes of the same program differ by.
func (r *Results) p99Goal() Goal {
	bare := measurement{peer.MCPGo, sessions, Open}
	measured, ok := r.compare(measurement{stage.Server, sessions, Open}, bare, p99)
	chance, known := r.compare(measurement{peer.MCPGo + stage.Twin, sessions, Open}, bare, p99)
	return judge("its p99 at the same rate, to bare mcp-go's", fmt.Sprintf("≤ %.2f ×, as much as mcp-go differs from itself", max(1, chance.high)),
		measured.String(), ok && known, measured.median <= max(1, chance.high))
}

func (f fact) goal(what, want, format string, most float64) Goal {
	measured := fmt.Sprintf(format, f.value)
	if f.note != "" {
		measured += " (" + f.note + ")"
	}
	g := judge(what, want, measured, f.missing == "", f.value <= most)
	if f.missing != "" {
		g.Measured = f.missing
	}
	return g
}
