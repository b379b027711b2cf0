package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// streams are idle ones, held open beside the load. One that the server ends is
// opened again where it was, at the next address.
type streams struct {
	held    atomic.Int64
	again   atomic.Int64 // how often one was opened again
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// openStreams opens one stream each of the first sessions.
func (r *run) openStreams(ctx context.Context) error {
	// The streams outlive the opening, and end with close.
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.streams.cancel = cancel
	return inParallel(ctx, r.plan.Streams, func(ctx context.Context, i int) error {
		// A deadline for the headers alone: the stream has none.
		tooLate := time.AfterFunc(r.plan.Timeout, cancel)
		defer tooLate.Stop()
		response, err := r.get(reading, r.clients[i], r.plan.url(i), "")
		if err != nil {
			return err
		}
		r.streams.reading.Go(func() { r.hold(reading, i, newStream(response)) })
		return ctx.Err()
	})
}

// hold reads a stream until ctx ends.
func (r *run) hold(ctx context.Context, i int, s *stream) {
	const apart = time.Second // between two attempts
	for at := i + 1; ; at++ {
		r.streams.held.Add(1)
		var err error
		for err == nil {
			_, err = s.next()
		}
		s.close()
		r.streams.held.Add(-1)
		for again := false; !again; {
			if errors.Is(ctx.Err(), context.Canceled) {
				return
			}
			response, err := r.get(ctx, r.clients[i], r.plan.url(at), s.cursor) //nolint:bodyclose // the stream closes it
			if again = err == nil; again {
				r.streams.again.Add(1)
				s.reopen(response)
				continue
			}
			select {
			case <-time.After(apart):
			case <-ctx.Done():
			}
		}
	}
}

func (s *streams) close() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.reading.Wait()
}
