package session

import (
	"context"
	"slices"

	"github.com/redis/rueidis"
)

// Watch is woken whenever something is written to a session's streams. Wake-ups
// are hints: they may be lost, and several may arrive as one.
type Watch struct {
	C       <-chan struct{}
	c       chan struct{}
	channel string
	bus     *bus
}

// watch subscribes to a channel for as long as anybody watches it.
func (b *bus) watch(channel string) *Watch {
	c := make(chan struct{}, 1)
	w := &Watch{C: c, c: c, channel: channel, bus: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	watchers := b.watchers[channel]
	if watchers == nil {
		watchers = map[*Watch]struct{}{}
		b.watchers[channel] = watchers
		signal(b.changed)
	}
	watchers[w] = struct{}{}
	return w
}

// Close ends the Watch.
func (w *Watch) Close() {
	b := w.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	watchers := b.watchers[w.channel]
	delete(watchers, w)
	if len(watchers) == 0 {
		delete(b.watchers, w.channel)
		signal(b.changed)
	}
}

// follow keeps a connection subscribed to what is watched until it breaks. It
// sends commands without holding mu: their answers come on the connection whose
// messages need it.
func (b *bus) follow(ctx context.Context, conn rueidis.DedicatedClient) error {
	subscribed := map[string]struct{}{}
	for {
		var joined, left []string
		b.mu.Lock()
		for channel := range b.watchers {
			if _, ok := subscribed[channel]; !ok {
				joined = append(joined, channel)
				subscribed[channel] = struct{}{}
			}
		}
		for channel := range subscribed {
			if _, ok := b.watchers[channel]; !ok {
				left = append(left, channel)
				delete(subscribed, channel)
			}
		}
		b.mu.Unlock()
		for batch := range slices.Chunk(joined, 512) {
			if err := conn.Do(ctx, conn.B().Subscribe().Channel(batch...).Build()).Error(); err != nil {
				return err
			}
			for _, channel := range batch {
				b.wake(channel) // something may have been written before
			}
		}
		for batch := range slices.Chunk(left, 512) {
			if err := conn.Do(ctx, conn.B().Unsubscribe().Channel(batch...).Build()).Error(); err != nil {
				return err
			}
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *bus) wake(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers[channel] {
		signal(w.c)
	}
}

func (b *bus) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, watchers := range b.watchers {
		for w := range watchers {
			signal(w.c)
		}
	}
	for _, c := range b.waiters {
		signal(c)
	}
}

// signal leaves a wake-up where one fits.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
