package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/telemetry"
)

// Create stores a new session and gives it its id, which is unguessable. It
// returns [ErrTooManySessions] when the principal has no place left.
func (s *Store) Create(ctx context.Context, r Record) (*Record, error) {
	ctx, span := telemetry.Start(ctx, "session create")
	defer span.End()
	r.ID, r.Created = rand.Text(), time.Now()
	fields, err := r.fields()
	if err != nil {
		return nil, err
	}
	idle := milliseconds(s.idle)
	reserve := s.client.B().Eval().Script(reserveText).Numkeys(1).Key(principalKey(r.Principal)).
		Arg(r.ID, nowMilliseconds(), idle, strconv.Itoa(s.limits.SessionsPerPrincipal)).Build()
	create := s.client.B().Eval().Script(createText).Numkeys(1).Key(keys(r.ID).record()).
		Arg(append([]string{idle}, fields...)...).Build()
	answers := s.client.DoMulti(ctx, reserve, create)
	reserved, err := answers[0].AsInt64()
	if err != nil {
		return nil, fmt.Errorf("session: reserve: %w", err)
	}
	if err := answers[1].Error(); err != nil {
		return nil, fmt.Errorf("session: create: %w", err)
	}
	if reserved == 0 {
		if err := s.client.Do(ctx, s.client.B().Del().Key(keys(r.ID).record()).Build()).Error(); err != nil {
			return nil, fmt.Errorf("session: undo create: %w", err)
		}
		return nil, ErrTooManySessions
	}
	s.cache.put(&r, time.Now())
	return &r, nil
}

// Load finds a session, or [ErrNotFound]. A session that this replica knows
// costs no round trip, as long as the bus is known to be heard: whoever changes
// a record tells all replicas and waits for them. Load also keeps the session
// alive.
func (s *Store) Load(ctx context.Context, id string) (*Record, error) {
	if !isID(id) {
		return nil, ErrNotFound
	}
	now := time.Now()
	if s.bus.trusted(now) {
		if r, touch := s.cache.get(id, now, s.TouchInterval()); r != nil {
			if touch {
				s.touchLater(r)
			}
			return r, nil
		}
	}
	ctx, span := telemetry.Start(ctx, "session load")
	defer span.End()
	generation := s.cache.generation()
	fields, err := s.client.Do(ctx, s.client.B().Hgetall().Key(keys(id).record()).Build()).AsStrMap()
	if err != nil {
		return nil, fmt.Errorf("session: load: %w", err)
	}
	if len(fields) == 0 {
		s.cache.remove(id)
		return nil, ErrNotFound
	}
	r, err := parseRecord(id, fields)
	if err != nil {
		return nil, err
	}
	// The record's remaining lifetime is not known here: extend it.
	s.touchLater(r)
	s.cache.putIfUnchanged(r, now, generation)
	return r, nil
}

// touchLater extends the lifetimes of a session off the caller's path.
func (s *Store) touchLater(r *Record) {
	s.touches.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.touch(ctx, r); err != nil {
			s.log.Warn("session lifetime was not extended", "error", err)
		}
	})
}

// Touch keeps a session alive that a call or a stream is using, which is to call
// it every [Store.TouchInterval].
func (s *Store) Touch(ctx context.Context, id string) error {
	_, err := s.Load(ctx, id)
	return err
}

func (s *Store) touch(ctx context.Context, r *Record) error {
	k, idle := keys(r.ID), milliseconds(s.idle)
	alive, err := touchScript.Exec(ctx, s.client,
		[]string{k.record(), k.out(), k.gets(), k.open(), k.done()}, []string{idle}).AsInt64()
	if err != nil {
		return fmt.Errorf("session: touch: %w", err)
	}
	if alive == 0 {
		s.cache.remove(r.ID)
		return ErrNotFound
	}
	expiry := float64(time.Now().Add(s.idle).UnixMilli())
	var commands rueidis.Commands
	index := func(key string) {
		commands = append(commands,
			s.client.B().Zadd().Key(key).Xx().ScoreMember().ScoreMember(expiry, r.ID).Build(), // it may have ended since
			s.client.B().Pexpire().Key(key).Milliseconds(s.idle.Milliseconds()).Build())
	}
	index(principalKey(r.Principal))
	for _, uri := range r.Subscribed {
		index(subscribersKey(uri))
	}
	for _, answer := range s.client.DoMulti(ctx, commands...) {
		if err := answer.Error(); err != nil {
			return fmt.Errorf("session: touch index: %w", err)
		}
	}
	return nil
}

// SetLevel stores the least level of log notifications. When it returns, no
// live replica goes by the old one.
func (s *Store) SetLevel(ctx context.Context, id string, level mcp.LoggingLevel) error {
	return s.change(ctx, id, setScript.Exec(ctx, s.client, []string{keys(id).record()}, []string{fieldLevel, string(level)}))
}

// Subscribe makes the session hear of updates of the resource. When it returns,
// any replica's update reaches it.
func (s *Store) Subscribe(ctx context.Context, id, uri string) error {
	key, expiry := subscribersKey(uri), float64(time.Now().Add(s.idle).UnixMilli())
	for _, answer := range s.client.DoMulti(ctx,
		s.client.B().Zadd().Key(key).ScoreMember().ScoreMember(expiry, id).Build(),
		s.client.B().Pexpire().Key(key).Milliseconds(s.idle.Milliseconds()).Build()) {
		if err := answer.Error(); err != nil {
			return fmt.Errorf("session: index subscription: %w", err)
		}
	}
	return s.change(ctx, id, subscribeScript.Exec(ctx, s.client, []string{keys(id).record()},
		[]string{fieldSubscription + uri, fieldSubscription, strconv.Itoa(s.limits.Subscriptions)}))
}

// Unsubscribe undoes Subscribe; it is no error if there is nothing to undo.
func (s *Store) Unsubscribe(ctx context.Context, id, uri string) error {
	for _, answer := range s.client.DoMulti(ctx,
		s.client.B().Hdel().Key(keys(id).record()).Field(fieldSubscription+uri).Build(),
		s.client.B().Zrem().Key(subscribersKey(uri)).Member(id).Build()) {
		if err := answer.Error(); err != nil {
			return fmt.Errorf("session: unsubscribe: %w", err)
		}
	}
	s.invalidate(ctx, id, false)
	return nil
}

// change reads what a script that changes a record answered, and has every
// replica forget the old record.
func (s *Store) change(ctx context.Context, id string, answer rueidis.RedisResult) error {
	status, err := answer.AsInt64()
	if err != nil {
		return fmt.Errorf("session: change: %w", err)
	}
	s.invalidate(ctx, id, false)
	switch status {
	case 0:
		return ErrNotFound
	case 2:
		return ErrTooManySubscriptions
	}
	return nil
}

// Delete ends a session everywhere: its calls are cancelled and its streams
// end. When it returns, no live replica serves it.
func (s *Store) Delete(ctx context.Context, r *Record) error {
	ctx, span := telemetry.Start(ctx, "session delete")
	defer span.End()
	k := keys(r.ID)
	streams, err := deleteScript.Exec(ctx, s.client,
		[]string{k.record(), k.out(), k.gets(), k.open(), k.done()}, []string{k.wake()}).AsStrSlice()
	if err != nil && !rueidis.IsRedisNil(err) {
		return fmt.Errorf("session: delete: %w", err)
	}
	ended := err == nil
	s.invalidate(ctx, r.ID, true)
	commands := rueidis.Commands{s.client.B().Zrem().Key(principalKey(r.Principal)).Member(r.ID).Build()}
	for _, uri := range r.Subscribed {
		commands = append(commands, s.client.B().Zrem().Key(subscribersKey(uri)).Member(r.ID).Build())
	}
	for batch := range slices.Chunk(streams, 64) {
		names := make([]string, len(batch))
		for i, id := range batch {
			names[i] = k.stream(id)
		}
		commands = append(commands, s.client.B().Del().Key(names...).Build())
	}
	for _, answer := range s.client.DoMulti(ctx, commands...) {
		if err := answer.Error(); err != nil {
			// What is left has a lifetime and cannot be reached any more.
			s.log.Warn("remains of an ended session expire later", "error", err)
		}
	}
	if !ended {
		return ErrNotFound
	}
	return nil
}

// invalidate has every replica forget a record, and waits for those alive.
func (s *Store) invalidate(ctx context.Context, id string, ended bool) {
	s.cache.drop(id)
	s.bus.drop(ctx, id, ended)
}
