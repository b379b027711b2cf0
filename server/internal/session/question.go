package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/redis"
)

// Question is a request from the server to the client whose answer may be
// posted to any replica. Its id names the replica that waits.
type Question struct {
	store    *Store
	session  string
	id       string
	lifetime time.Duration
	woken    chan struct{}
}

// NewQuestion registers a wait on this replica. [Stream.Ask] makes it known to
// the others. Close must be called.
func (s *Store) NewQuestion(session string, lifetime time.Duration) *Question {
	q := &Question{store: s, session: session, id: s.NextID(), lifetime: lifetime, woken: make(chan struct{}, 1)}
	s.bus.mu.Lock()
	s.bus.waiters[q.id] = q.woken
	s.bus.mu.Unlock()
	return q
}

// ID is the id of the JSON-RPC request.
func (q *Question) ID() string { return q.id }

// Wait returns the client's answer, a JSON-RPC response. While Redis is away it
// waits on, up to the question's lifetime: the answer may be there already.
func (q *Question) Wait(ctx context.Context) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, q.lifetime, ErrUnanswered)
	defer cancel()
	ticker := time.NewTicker(rereadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-q.woken:
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		answer, err := q.store.client.Do(ctx, q.store.client.B().Get().Key(keys(q.session).question(q.id)).Build()).ToString()
		switch {
		case rueidis.IsRedisNil(err):
			return nil, ErrNoQuestion // the session has ended, or the lifetime is over
		case errors.Is(err, redis.ErrUnavailable), ctx.Err() != nil:
		case err != nil:
			return nil, fmt.Errorf("session: read answer: %w", err)
		case answer != "":
			return json.RawMessage(answer), nil
		}
	}
}

// Close ends the wait; a later answer is refused.
func (q *Question) Close(ctx context.Context) {
	q.store.bus.mu.Lock()
	delete(q.store.bus.waiters, q.id)
	q.store.bus.mu.Unlock()
	if err := q.store.client.Do(ctx, q.store.client.B().Del().Key(keys(q.session).question(q.id)).Build()).Error(); err != nil {
		q.store.log.Debug("question expires by itself", "error", err)
	}
}

// Answer hands a client's response to the call that waits for it, wherever that
// is. The first answer counts; [ErrNoQuestion] is for any other, and for ids
// that this session was never asked.
func (s *Store) Answer(ctx context.Context, session, id string, response json.RawMessage) error {
	if !isID(id) || len(response) > s.limits.EventBytes {
		return ErrNoQuestion
	}
	replica, _, ok := strings.Cut(id, "_")
	if !ok {
		return ErrNoQuestion
	}
	note, err := json.Marshal(message{Kind: kindAnswered, Replica: s.replica, Token: id})
	if err != nil {
		return err
	}
	taken, err := answerScript.Exec(ctx, s.client, []string{keys(session).question(id)},
		[]string{string(response), replicaChannel(replica), string(note)}).AsInt64()
	if err != nil {
		return fmt.Errorf("session: answer: %w", err)
	}
	if taken == 0 {
		return ErrNoQuestion
	}
	return nil
}
