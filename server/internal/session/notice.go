package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"
)

// Cancel tells the replica that runs the request, whichever it is, that the
// client takes it back. It is a hint: a replica that does not hear the bus at
// this moment lets the call go on.
func (s *Store) Cancel(ctx context.Context, session string, request json.RawMessage) error {
	return s.bus.publish(ctx, busChannel, message{Kind: kindCancel, Session: session, Request: request})
}

// ResourceUpdated stores the notification for each session that is subscribed
// to the resource, open or away, and tells the replicas that serve streams of
// the stateless revision.
func (s *Store) ResourceUpdated(ctx context.Context, uri string, notification []byte) error {
	key := subscribersKey(uri)
	answers := s.client.DoMulti(ctx,
		s.client.B().Zremrangebyscore().Key(key).Min("-inf").Max(nowMilliseconds()).Build(),
		s.client.B().Zrange().Key(key).Min("0").Max("-1").Build())
	subscribers, err := answers[1].AsStrSlice()
	if err != nil {
		return fmt.Errorf("session: subscribers: %w", err)
	}
	for batch := range slices.Chunk(subscribers, 256) {
		commands := make(rueidis.Commands, len(batch))
		for i, id := range batch {
			commands[i] = s.notification(id, fieldSubscription+uri, notification)
		}
		for _, answer := range s.client.DoMulti(ctx, commands...) {
			if err := answer.Error(); err != nil {
				return fmt.Errorf("session: notify subscribers: %w", err)
			}
		}
	}
	return s.bus.publish(ctx, busChannel, message{Kind: kindUpdate, Name: uri})
}

// Notify stores a notification for one session, whether it listens or not.
func (s *Store) Notify(ctx context.Context, session string, notification []byte) error {
	return s.client.Do(ctx, s.notification(session, "", notification)).Error()
}

// notification stores for one session; field must stand in its record, unless
// it is empty.
func (s *Store) notification(session, field string, notification []byte) rueidis.Completed {
	k := keys(session)
	return s.client.B().Eval().Script(notifyText).Numkeys(2).Key(k.record(), k.out()).
		Arg(field, milliseconds(s.idle), strconv.Itoa(s.limits.StreamEvents), k.wake(), rueidis.BinaryString(notification)).Build()
}

// ListChanged tells every replica that a list of the server has changed.
func (s *Store) ListChanged(ctx context.Context, method string) error {
	return s.bus.publish(ctx, busChannel, message{Kind: kindList, Name: method})
}
