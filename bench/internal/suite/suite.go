// Package suite measures this project's server and its peers in alternating
// rounds, and says which goals are met.
//
// The machine is shared by both ends of each measurement and by whatever else
// runs on it, so absolute numbers say little: what counts are ratios within one
// round, their median over the rounds, and their spread. The unit is calls per
// CPU-second of the server's process at a rate that all servers reach.
package suite

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/peer"
	"github.com/prynai/prynai-mcp/bench/internal/stage"
)

// The eras.
const (
	sessions  = "sessions"
	stateless = "stateless"
)

// Kind is what is done to a server.
type Kind string

// The kinds.
const (
	Open   Kind = "open"   // plain calls at a fixed rate
	Closed Kind = "closed" // plain calls as fast as they are answered
	Stream Kind = "stream" // calls that report their progress ten times, at a fixed rate
)

// Options say how thoroughly to measure.
type Options struct {
	Rounds     int
	Rate       float64 // of plain calls; 0: most of what the slowest reaches in each era
	StreamRate float64 // of streaming calls
	Duration   time.Duration
	Warmup     time.Duration
	Sessions   int
	Clients    int // of the closed model
	Idle       int // GET streams
	Log        func(format string, args ...any)
}

// Thorough is what the numbers in the documentation are made with.
func Thorough() Options {
	return Options{Rounds: 5, StreamRate: 300, Duration: 5 * time.Second, Warmup: 2 * time.Second,
		Sessions: 1000, Clients: 64, Idle: 5000}
}

// Quick finds out whether everything can be measured, not what comes of it.
func Quick() Options {
	return Options{Rounds: 1, Rate: 200, StreamRate: 20, Duration: time.Second, Warmup: time.Second,
		Sessions: 50, Clients: 8, Idle: 50}
}

// measurement names what was sampled.
type measurement struct {
	Subject, Era string
	Kind         Kind
}

// Results are all samples, one each round.
type Results struct {
	Options Options
	Samples map[measurement][]stage.Sample
	Missing map[string]string  // peers that could not be had, and why
	Rates   map[string]float64 // by era
	facts   facts
}

var subjects = map[string][]string{
	sessions: {stage.Server, stage.Replicas, peer.MCPGo, peer.MCPGo + stage.Twin, peer.MCPGo + stage.Single,
		peer.GoSDK, peer.GoSDK + stage.Single, peer.Floor, peer.Floor + stage.Single, peer.TypeScript},
	stateless: {stage.Server, stage.Replicas, peer.MCPGo, peer.MCPGo + stage.Single,
		peer.GoSDK, peer.GoSDK + stage.Single, peer.Floor, peer.Floor + stage.Single},
}

// Run measures everything.
func Run(ctx context.Context, s *stage.Stage, o Options) (*Results, error) {
	r := &Results{Options: o, Samples: map[measurement][]stage.Sample{}, Missing: map[string]string{}, Rates: map[string]float64{}}
	for _, era := range []string{sessions, stateless} {
		if err := r.findRate(ctx, s, era); err != nil {
			return nil, err
		}
	}
	for round := range o.Rounds {
		for _, era := range []string{sessions, stateless} {
			for _, i := range rand.Perm(len(subjects[era])) {
				name := subjects[era][i]
				o.Log("round %d of %d, %s: %s", round+1, o.Rounds, era, name)
				if err := r.sample(ctx, s, name, era); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, r.facts.find(ctx, s, o)
}

// findRate finds a rate that all servers reach, unless one was asked for.
func (r *Results) findRate(ctx context.Context, s *stage.Stage, era string) error {
	const share = 0.6 // of what the slowest can; more, and it would lag behind at every hiccup
	r.Rates[era] = r.Options.Rate
	if r.Options.Rate > 0 {
		return nil
	}
	slowest := math.Inf(1)
	for _, name := range subjects[era] {
		subject, err := r.start(ctx, s, name)
		if err != nil {
			return err
		}
		if subject == nil {
			continue
		}
		load := r.load(name, era, Closed)
		load.Warmup, load.Duration = time.Second, time.Second
		sample, err := subject.Put(ctx, load)
		subject.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", era, err)
		}
		r.Options.Log("%s: %s answers %.0f a second", era, name, sample.PerSecond)
		slowest = min(slowest, sample.PerSecond)
	}
	r.Rates[era] = max(100, math.Floor(slowest*share/100)*100)
	r.Options.Log("%s: the fixed rate is %.0f calls a second", era, r.Rates[era])
	return nil
}

// start starts a server; it returns none where it cannot be had.
func (r *Results) start(ctx context.Context, s *stage.Stage, name string) (*stage.Subject, error) {
	if r.Missing[name] != "" {
		return nil, nil
	}
	subject, err := s.Start(ctx, name)
	if err != nil && name == peer.TypeScript && ctx.Err() == nil {
		r.Missing[name] = err.Error()
		return nil, nil
	}
	return subject, err
}

// sample measures one server, in a process that was started for it.
func (r *Results) sample(ctx context.Context, s *stage.Stage, name, era string) error {
	subject, err := r.start(ctx, s, name)
	if subject == nil || err != nil {
		return err
	}
	defer subject.Stop()
	kinds := []Kind{Open, Closed}
	if era == sessions && slices.Contains([]string{stage.Server, peer.MCPGo, peer.MCPGo + stage.Single}, name) {
		kinds = append(kinds, Stream)
	}
	for _, kind := range kinds {
		sample, err := subject.Put(ctx, r.load(name, era, kind))
		if err != nil {
			return fmt.Errorf("%s calls, %s: %w", kind, era, err)
		}
		m := measurement{name, era, kind}
		r.Samples[m] = append(r.Samples[m], sample)
	}
	return nil
}

func (r *Results) load(name, era string, kind Kind) stage.Load {
	o := r.Options
	l := stage.Load{Era: era, Mix: "call", Rate: r.Rates[era], Concurrency: 512, Sessions: o.Sessions, Warmup: o.Warmup, Duration: o.Duration}
	if stage.Program(name) == peer.Floor {
		l.Mix = "mirror"
	}
	switch kind {
	case Closed:
		l.Rate, l.Concurrency = 0, o.Clients
	case Stream:
		// A call takes two seconds, most of which it waits; as many are to end in
		// the measured time as begin in it.
		const whole = 3 * time.Second
		l.Mix, l.Rate, l.Concurrency = "progress", o.StreamRate, int(o.StreamRate*10)
		l.Warmup, l.Duration = max(l.Warmup, whole), max(l.Duration, whole)
	}
	return l
}
