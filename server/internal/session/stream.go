package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/telemetry"
)

// Stream is the stream of one call, on the replica that runs the call: its one
// producer. Its methods must not be called concurrently.
//
// While Redis is away they try again until ctx ends. That is safe, since a
// repeated event is recognised by its number.
type Stream struct {
	store   *Store
	session string
	id      string
	opening []byte
	last    int64 // number of the last event that Redis has acknowledged
}

// opening is the first entry of a call's stream: what whoever reads the stream
// must know of the call.
type opening struct {
	Request json.RawMessage `json:"request"` // the request's id, verbatim
}

// NewStream prepares a stream for the answer of a request. Nothing is stored
// before the first Append.
func (s *Store) NewStream(session string, request json.RawMessage) (*Stream, error) {
	text, err := json.Marshal(opening{Request: request})
	if err != nil {
		return nil, fmt.Errorf("session: encode opening: %w", err)
	}
	return &Stream{store: s, session: session, id: s.NextID(), opening: text}, nil
}

// Opened reports whether anything was stored, so that a client may resume.
func (s *Stream) Opened() bool { return s.last > 0 }

// Last is the cursor of the last stored event.
func (s *Stream) Last() Cursor { return Cursor{Stream: s.id, Number: s.last} }

// Open stores the opening entry, so that a client can resume from it.
func (s *Stream) Open(ctx context.Context) error {
	if s.Opened() {
		return nil
	}
	return s.append(ctx, "m", "", 0, nil)
}

// Append stores events in order. The number of the first of them is one more
// than Last was after the opening entry.
func (s *Stream) Append(ctx context.Context, events ...[]byte) error {
	return s.append(ctx, "m", "", 0, events)
}

// Ask stores a request to the client together with the question that its
// answer belongs to, so that no answer can come before somebody waits for it.
func (s *Stream) Ask(ctx context.Context, q *Question, request []byte) error {
	return s.append(ctx, "m", q.id, q.lifetime, [][]byte{request})
}

// Finish stores the terminal entry: the response, or nothing for a call that
// was cancelled. It returns [ErrStreamClosed] when somebody else has done so,
// having taken this replica for lost.
func (s *Stream) Finish(ctx context.Context, response []byte) error {
	return s.append(ctx, "end", "", 0, [][]byte{response})
}

func (s *Stream) append(ctx context.Context, kind, question string, lifetime time.Duration, events [][]byte) error {
	for _, event := range events {
		if len(event) > s.store.limits.EventBytes {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrEventTooLarge, len(event), s.store.limits.EventBytes)
		}
	}
	ctx, span := telemetry.Start(ctx, "session append")
	defer span.End()
	first := s.last + 1
	if first == 1 {
		events = append([][]byte{s.opening}, events...)
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		last, err := s.store.append(ctx, s.session, s.id, first, kind, question, lifetime, events)
		if err == nil {
			s.last = last
			return nil
		}
		if !errors.Is(err, redis.ErrUnavailable) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// Keep extends the lifetime of the stream and its session while a call runs.
func (s *Stream) Keep(ctx context.Context) error {
	k := keys(s.session)
	_, err := keepScript.Exec(ctx, s.store.client, []string{k.record(), k.stream(s.id), k.open()},
		[]string{s.id, milliseconds(streamKept), nowMilliseconds()}).AsInt64()
	return err
}

// append runs the script once and reads its answer.
func (s *Store) append(ctx context.Context, session, id string, first int64, kind, question string, lifetime time.Duration, events [][]byte) (last int64, err error) {
	k := keys(session)
	names := []string{k.record(), k.stream(id), k.open(), k.done()}
	if question != "" {
		names = append(names, k.question(question))
	}
	args := make([]string, 0, 11+len(events))
	args = append(args, id, strconv.FormatInt(first, 10), milliseconds(streamKept), nowMilliseconds(),
		milliseconds(s.idle), strconv.Itoa(s.limits.StreamEvents), strconv.Itoa(s.limits.StreamsOpen),
		strconv.Itoa(s.limits.StreamsKept), k.wake(), kind, milliseconds(lifetime))
	for _, event := range events {
		args = append(args, rueidis.BinaryString(event))
	}
	answer, err := appendScript.Exec(ctx, s.client, names, args).ToArray()
	if err != nil {
		return 0, fmt.Errorf("session: append: %w", err)
	}
	status, err := answer[0].ToString()
	if err != nil {
		return 0, fmt.Errorf("session: append: %w", err)
	}
	switch status {
	case "gone":
		s.cache.remove(session) // whatever it says, look again
		return 0, ErrNotFound
	case "closed":
		return 0, ErrStreamClosed
	case "busy":
		return 0, ErrTooManyStreams
	case "full":
		return 0, fmt.Errorf("%w: at most %d", ErrStreamFull, s.limits.StreamEvents)
	}
	if last, err = answer[1].AsInt64(); err != nil {
		return 0, fmt.Errorf("session: append: %w", err)
	}
	if evicted := answer[2:]; len(evicted) > 0 {
		s.forget(ctx, k, evicted)
	}
	return last, nil
}

// forget deletes finished streams that made room for others.
func (s *Store) forget(ctx context.Context, k keys, evicted []rueidis.RedisMessage) {
	names := make([]string, 0, len(evicted))
	for _, message := range evicted {
		if id, err := message.ToString(); err == nil {
			names = append(names, k.stream(id))
		}
	}
	if err := s.client.Do(ctx, s.client.B().Del().Key(names...).Build()).Error(); err != nil {
		s.log.Debug("evicted streams expire later", "error", err)
	}
}
