package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Get reads a session's out stream for an open GET. Several may be open: the
// newest delivers, the others are silent until it is closed.
type Get struct {
	*Watch
	store   *Store
	session string
	token   string
	read    bool  // something was read, so that a gap can be told
	next    int64 // 0: whatever was not delivered, as after a newer stream has ended
}

// OpenGet opens a GET stream that goes on where the last one has delivered to,
// or after the cursor when there is one.
func (s *Store) OpenGet(ctx context.Context, session string, after *Cursor) (*Get, error) {
	k, token := keys(session), s.NextID()
	delivered, err := openGetScript.Exec(ctx, s.client, []string{k.record(), k.gets()},
		[]string{token, milliseconds(s.idle), strconv.Itoa(s.limits.GetStreams), k.wake()}).ToString()
	if rueidis.IsRedisNil(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		s.abandon(session, token) // it may have a place, or get one yet
		return nil, fmt.Errorf("session: open GET stream: %w", err)
	}
	last, err := strconv.ParseInt(delivered, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("session: delivered %q: %w", delivered, err)
	}
	g := &Get{store: s, session: session, token: token, next: last + 1, Watch: s.bus.watch(k.wake())}
	if after != nil {
		g.next, g.read = after.Number+1, true
		if err := g.check(ctx); err != nil {
			g.Close(ctx)
			return nil, err
		}
	}
	return g, nil
}

// check refuses a cursor that does not lead on without a gap.
func (g *Get) check(ctx context.Context) error {
	key := keys(g.session).out()
	answers := g.store.client.DoMulti(ctx,
		g.store.client.B().Xrange().Key(key).Start("-").End("+").Count(1).Build(),
		g.store.client.B().Xrevrange().Key(key).End("+").Start("-").Count(1).Build())
	var ends [2]int64
	for i, answer := range answers {
		entries, err := answer.AsXRange()
		if err != nil {
			return fmt.Errorf("session: check cursor: %w", err)
		}
		events, err := parseEvents(entries)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			ends[i] = events[0].Number
		}
	}
	if oldest, newest := ends[0], ends[1]; g.next < oldest || g.next > newest+1 {
		return ErrCursorLost
	}
	return nil
}

// Cursor is where the stream stands: the last event that was read.
func (g *Get) Cursor() Cursor { return Cursor{Stream: outStream, Number: g.next - 1} }

// Read returns the events that this stream is to deliver, without waiting. It
// returns [ErrFinished] when newer streams have pushed this one out,
// [ErrNotFound] when the session has ended, and [ErrCursorLost] when events
// were dropped that this stream has not read.
func (g *Get) Read(ctx context.Context) ([]Event, error) {
	k := keys(g.session)
	answer, err := nextGetScript.Exec(ctx, g.store.client, []string{k.record(), k.gets(), k.out()},
		[]string{g.token, strconv.FormatInt(g.next, 10), strconv.Itoa(readBatch)}).ToArray()
	if err != nil {
		return nil, fmt.Errorf("session: read GET stream: %w", err)
	}
	rank, err := answer[0].AsInt64()
	if err != nil {
		return nil, fmt.Errorf("session: read GET stream: %w", err)
	}
	switch {
	case rank == -2:
		return nil, ErrNotFound
	case rank == -1:
		return nil, ErrFinished
	case rank > 0:
		g.next = 0 // the newer one delivers meanwhile
		return nil, g.removeIfLost(ctx, answer[1])
	}
	entries, err := answer[2].AsXRange()
	if err != nil {
		return nil, fmt.Errorf("session: read GET stream: %w", err)
	}
	events, err := parseEvents(entries)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	if first := events[0].Number; g.read && g.next > 0 && first != g.next {
		return nil, ErrCursorLost
	}
	g.read = true
	g.next = events[len(events)-1].Number + 1
	if len(events) == readBatch {
		signal(g.c)
	}
	return events, nil
}

// removeIfLost takes the place of a newer stream whose replica is gone.
func (g *Get) removeIfLost(ctx context.Context, newest rueidis.RedisMessage) error {
	token, err := newest.ToString()
	if err != nil {
		return fmt.Errorf("session: read GET stream: %w", err)
	}
	replica, _, _ := strings.Cut(token, "_")
	if !g.store.bus.lost(ctx, replica) {
		return nil
	}
	signal(g.c)
	return g.store.client.Do(ctx, g.store.client.B().Zrem().Key(keys(g.session).gets()).Member(token).Build()).Error()
}

// ReadEvery is how long to wait at the most between two Reads.
func (g *Get) ReadEvery() time.Duration { return rereadEvery }

// Delivered notes that all events read so far were written to the client, so
// that the next GET stream goes on after them.
func (g *Get) Delivered(ctx context.Context) error {
	return setScript.Exec(ctx, g.store.client, []string{keys(g.session).record()},
		[]string{fieldDelivered, strconv.FormatInt(g.next-1, 10)}).Error()
}

// Close gives up the stream's place; an older open one delivers from now on.
func (g *Get) Close(ctx context.Context) {
	g.Watch.Close()
	if err := g.store.leave(ctx, g.session, g.token); err != nil {
		g.store.log.Debug("a GET stream keeps its place for now", "error", err)
		g.store.abandon(g.session, g.token)
	}
}

// leave gives up a GET stream's place.
func (s *Store) leave(ctx context.Context, session, token string) error {
	k := keys(session)
	for _, answer := range s.client.DoMulti(ctx,
		s.client.B().Zrem().Key(k.gets()).Member(token).Build(),
		s.client.B().Publish().Channel(k.wake()).Message(outStream).Build()) {
		if err := answer.Error(); err != nil {
			return err
		}
	}
	return nil
}

// abandon gives up a place as soon as Redis can be told, since nobody else
// would while this replica lives. It does so twice: what took the place may
// have been on its way to a Redis that did not answer, and be done later than
// what was sent by another connection.
func (s *Store) abandon(session, token string) {
	s.touches.Go(func() {
		for told := 0; told < 2; {
			select {
			case <-time.After(time.Second):
			case <-s.closing:
				return
			}
			if s.leave(context.Background(), session, token) == nil {
				told++
			}
		}
	})
}
