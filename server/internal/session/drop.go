package session

import (
	"context"
	"time"
)

// pendingDrop is a drop that some replicas have not acknowledged.
type pendingDrop struct {
	missing map[string]struct{}
	done    chan struct{}
}

// drop has the other replicas forget a record and waits until those that are
// heard have answered, or acknowledgeWithin, after which whoever has not does
// not trust its cache. A replica that does not trust what it hears cannot know
// who is there, and waits for as long as that.
func (b *bus) drop(ctx context.Context, session string, ended bool) {
	token := session + b.start.Format("150405.000000000") + time.Since(b.start).String()
	now := time.Now()
	deaf := !b.trusted(now)
	pending := &pendingDrop{missing: map[string]struct{}{}, done: make(chan struct{})}
	b.mu.Lock()
	for id, last := range b.peers {
		if now.Sub(last) < trustedFor+beatEvery {
			pending.missing[id] = struct{}{}
		}
	}
	alone := len(pending.missing) == 0
	if !alone {
		b.acks[token] = pending
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.acks, token)
		b.mu.Unlock()
	}()
	if err := b.publish(ctx, busChannel, message{Kind: kindDrop, Session: session, Token: token, Ended: ended}); err != nil {
		b.log.Warn("replicas were not told of a changed session; they stop trusting their caches", "error", err)
		deaf = true
	}
	done := pending.done
	switch {
	case deaf:
		done = nil
	case alone:
		return
	}
	timer := time.NewTimer(acknowledgeWithin)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (b *bus) acknowledged(token, replica string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pending := b.acks[token]
	if pending == nil {
		return
	}
	delete(pending.missing, replica)
	if len(pending.missing) == 0 {
		close(pending.done)
		delete(b.acks, token)
	}
}
