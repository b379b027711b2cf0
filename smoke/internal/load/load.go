// Package load puts a measured load on MCP servers, this project's or others,
// and reports what came of it.
//
// In the open model operations are due at a steady rate whatever the server
// does, and an operation's latency counts from when it was due: a server that
// stalls for a second is charged for every request that should have been made
// in that second (no coordinated omission). In the closed model a number of
// clients each make an operation, wait for its end, and make the next.
//
// A session is not bound to an address: with several addresses each session
// goes round them all. Every reply is checked, its id and what it says.
//
// A run is bounded in number and in time, and asks nothing but the addresses
// given: no proxy, no redirect. Addresses that are not on loopback have to be
// allowed in so many words.
//
// # Trust boundary
//
// What a server says is read up to a limit, and reaches reports only as a
// number or as a short text out of which tokens are taken.
package load

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Run carries a plan out. Each second it hands what happened in it to live,
// which may be nil. A run that ctx ends early reports what it has.
func Run(ctx context.Context, plan Plan, live func(Second)) (Report, error) {
	if err := plan.Check(); err != nil {
		return Report{}, err
	}
	transport := plan.transport()
	defer transport.CloseIdleConnections()
	r := &run{plan: plan, operations: plan.Mix.table(), transport: transport}
	residentBefore := plan.processes().resident()
	if err := r.open(ctx); err != nil {
		return Report{}, fmt.Errorf("no load was made: %w", err)
	}
	defer r.close(ctx)
	r.measure(ctx, live)
	report := r.recorder.report(plan)
	report.describe(plan, r)
	if report.Process != nil {
		report.Process.ResidentBefore = residentBefore
	}
	return report, nil
}

// run is a plan that is carried out.
type run struct {
	plan       Plan
	operations []Operation // one after the other, again and again
	transport  *http.Transport
	clients    []*client
	recorder   *recorder
	streams    streams
	ending     sync.WaitGroup // of sessions that an operation made

	ids   atomic.Int64 // the last that a request had
	setup int64        // ids used before the first operation
}

// client is a session or, in the stateless era, a principal.
type client struct {
	principal *Principal
	session   string
	version   string
}

// open makes the sessions, a few at a time, and the idle streams.
func (r *run) open(ctx context.Context) error {
	count := r.plan.Sessions
	if r.plan.Era == Stateless {
		count = max(1, len(r.plan.Principals))
	}
	r.clients = make([]*client, count)
	err := inParallel(ctx, count, func(ctx context.Context, i int) error {
		c := &client{principal: r.plan.principal(i)}
		r.clients[i] = c
		if r.plan.Era == Stateless {
			c.version = statelessVersion
			return nil
		}
		return r.openSession(ctx, c, r.plan.url(i))
	})
	if err != nil {
		return err
	}
	if err := r.openStreams(ctx); err != nil {
		return err
	}
	r.setup = r.ids.Load()
	return nil
}

// close ends the streams, then the sessions, as far as the server lets it: the
// run is over, and its sessions would expire by themselves.
func (r *run) close(ctx context.Context) {
	r.streams.close()
	r.ending.Wait()
	if r.plan.Era == Stateless {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.plan.Timeout)
	defer cancel()
	_ = inParallel(ctx, len(r.clients), func(ctx context.Context, i int) error {
		return r.endSession(ctx, r.clients[i], r.plan.url(i))
	})
}

// inParallel calls f for 0 to count-1 and returns the first error.
func inParallel(ctx context.Context, count int, f func(context.Context, int) error) error {
	const workers = 32
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(workers, count) {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}

// measure makes the load and records what is due after the warm-up.
func (r *run) measure(ctx context.Context, live func(Second)) {
	start := time.Now()
	r.recorder = newRecorder(start.Add(r.plan.Warmup), r.plan.Duration, r.plan.processes(), processes{os.Getpid()})
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { r.recorder.watch(ended, &r.streams, live) })
	end := start.Add(r.plan.Warmup + r.plan.Duration)
	if r.plan.Rate > 0 {
		r.arrive(ctx, start, end)
	} else {
		r.takeTurns(ctx, end)
	}
	close(ended)
	watching.Wait()
}

// takeTurns is the closed model.
func (r *run) takeTurns(ctx context.Context, end time.Time) {
	var clients sync.WaitGroup
	for range r.plan.Concurrency {
		clients.Go(func() {
			for ctx.Err() == nil {
				due := time.Now()
				n, ok := r.number()
				if !ok || !due.Before(end) {
					return
				}
				r.perform(ctx, n, due)
			}
		})
	}
	clients.Wait()
}

// arrive is the open model. When as many operations are under way as are
// allowed, those that are due wait, and their waiting counts.
func (r *run) arrive(ctx context.Context, start, end time.Time) {
	type arrival struct {
		number int64
		due    time.Time
	}
	arrivals := make(chan arrival)
	var workers sync.WaitGroup
	for range r.plan.Concurrency {
		workers.Go(func() {
			for a := range arrivals {
				r.perform(ctx, a.number, a.due)
			}
		})
	}
	defer workers.Wait()
	defer close(arrivals)
	timeOver := time.NewTimer(time.Until(end))
	defer timeOver.Stop()
	apart := float64(time.Second) / r.plan.Rate
	for i := 0; ; i++ {
		due := start.Add(time.Duration(float64(i) * apart))
		if !due.Before(end) || ctx.Err() != nil {
			return
		}
		pause(time.Until(due))
		n, ok := r.number()
		if !ok {
			return
		}
		select {
		case arrivals <- arrival{n, due}: // though it may be late: somebody is free
			continue
		default:
		}
		select {
		case arrivals <- arrival{n, due}:
		case <-ctx.Done():
			return
		case <-timeOver.C:
			r.recorder.unsent(int64(end.Sub(due).Seconds()*r.plan.Rate) + 1)
			return
		}
	}
}

// number is the next operation's and its request's id, unless all that were
// asked for are made.
func (r *run) number() (n int64, ok bool) {
	n = r.ids.Add(1)
	return n, r.plan.Count == 0 || n-r.setup <= r.plan.Count
}

// perform makes one operation and records it.
func (r *run) perform(ctx context.Context, n int64, due time.Time) {
	operation := r.operations[n%int64(len(r.operations))]
	ctx, cancel := context.WithTimeout(ctx, r.plan.Timeout)
	defer cancel()
	attempt := &attempt{run: r, number: n, client: r.clients[n%int64(len(r.clients))]}
	// Each time that all clients had a turn, every client's next address is
	// another one.
	attempt.at = int(n/int64(len(r.clients)) + n%int64(len(r.clients)))
	err := attempt.do(ctx, operation)
	r.recorder.add(operation, due, time.Now(), err)
}
