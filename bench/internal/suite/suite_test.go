package suite

import (
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/bench/internal/peer"
	"github.com/prynai/prynai-mcp/bench/internal/stage"
)

// results has the samples of three rounds, calls per CPU-second and p99.
func results(samples map[measurement][3][2]float64) *Results {
	r := &Results{Samples: map[measurement][]stage.Sample{}}
	for m, rounds := range samples {
		for _, values := range rounds {
			r.Samples[m] = append(r.Samples[m], stage.Sample{PerCPUSecond: values[0], P50: 1, P99: values[1]})
		}
	}
	return r
}

func goal(t *testing.T, r *Results, what string) Goal {
	t.Helper()
	for _, g := range r.Goals() {
		if g.What == what {
			return g
		}
	}
	t.Fatalf("there is no goal %q", what)
	return Goal{}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	// The machine is ten times slower in the second round; the ratio is not.
	r := results(map[measurement][3][2]float64{
		{stage.Server, sessions, Open}: {{20_000, 1}, {1_500, 10}, {14_000, 1}},
		{peer.MCPGo, sessions, Open}:   {{10_000, 1}, {1_000, 10}, {10_000, 1}},
	})
	g := goal(t, r, "plain call, sessions and auth on, to bare mcp-go with neither")
	if g.Measured != "1.50 × (1.40 to 2.00)" || g.Verdict != Met {
		t.Errorf("%+v", g)
	}
}

func TestVerdicts(t *testing.T) {
	r := results(map[measurement][3][2]float64{
		{stage.Server, sessions, Open}:            {{11, 1.2}, {11, 1.2}, {11, 1.2}},
		{peer.MCPGo, sessions, Open}:              {{10, 1}, {10, 1}, {10, 1}},
		{peer.MCPGo + stage.Twin, sessions, Open}: {{10, 0.8}, {10, 1.3}, {10, 1}},
	})
	for what, want := range map[string]Verdict{
		"plain call, sessions and auth on, to bare mcp-go with neither": NotMet,     // 1.1 ×
		"its p50 at the same rate, to bare mcp-go's":                    Met,        // 1 ×
		"its p99 at the same rate, to bare mcp-go's":                    Met,        // 1.2 ×, and mcp-go itself differs by 1.3 ×
		"plain call, to the official go-sdk":                            Unmeasured, // it has no samples
	} {
		if g := goal(t, r, what); g.Verdict != want {
			t.Errorf("%+v, want %s", g, want)
		}
	}
	r.facts.image = fact{missing: "no compiler"}
	if g := goal(t, r, "image, compressed"); g.Verdict != Unmeasured || g.Measured != "no compiler" {
		t.Errorf("%+v", g)
	}
	r.facts.start = fact{value: 151}
	if g := goal(t, r, "from the process's start to /readyz 200"); g.Verdict != NotMet || !strings.Contains(g.Measured, "151 ms") {
		t.Errorf("%+v", g)
	}
}
