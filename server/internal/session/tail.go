package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readBatch bounds what is read of a stream at once.
const readBatch = 256

// Tail reads a call's stream on any replica: what was missed, then what comes.
type Tail struct {
	*Watch
	store    *Store
	session  string
	stream   string
	next     int64
	finished bool
}

// Tail starts reading after the cursor. It returns [ErrFinished] when there is
// nothing to come but perhaps an empty end, [ErrCursorLost] when the stream is not kept any more.
func (s *Store) Tail(ctx context.Context, session string, c Cursor) (*Tail, error) {
	if c.IsOut() || c.Number < 1 {
		return nil, ErrBadCursor
	}
	entries, err := s.client.Do(ctx, s.client.B().Xrange().Key(keys(session).stream(c.Stream)).
		Start(entryID(c.Number)).End("+").Count(2).Build()).AsXRange()
	if err != nil {
		return nil, fmt.Errorf("session: resume: %w", err)
	}
	events, err := parseEvents(entries)
	if err != nil {
		return nil, err
	}
	switch {
	case len(events) == 0 || events[0].Number != c.Number:
		return nil, ErrCursorLost
	case events[0].Terminal, len(events) > 1 && events[1].Terminal && len(events[1].Data) == 0:
		return nil, ErrFinished
	}
	return &Tail{
		Watch:   s.bus.watch(keys(session).wake()),
		store:   s,
		session: session,
		stream:  c.Stream,
		next:    c.Number + 1,
	}, nil
}

// Read returns what has come since the last Read, without waiting: wait for C,
// or rereadEvery, before reading again. When the replica that runs the call is
// lost, Read writes the stream's end and returns it.
func (t *Tail) Read(ctx context.Context) ([]Event, error) {
	k := keys(t.session)
	answers := t.store.client.DoMulti(ctx,
		t.store.client.B().Xrange().Key(k.stream(t.stream)).Start(entryID(t.next)).End("+").Count(readBatch).Build(),
		t.store.client.B().Exists().Key(k.record(), k.stream(t.stream)).Build())
	entries, err := answers[0].AsXRange()
	if err != nil {
		return nil, fmt.Errorf("session: read stream: %w", err)
	}
	if len(entries) == 0 {
		kept, err := answers[1].AsInt64()
		if err != nil {
			return nil, fmt.Errorf("session: read stream: %w", err)
		}
		if kept < 2 {
			t.store.cache.remove(t.session) // whatever it says, look again
			return nil, ErrNotFound
		}
		return nil, t.endIfLost(ctx)
	}
	events, err := parseEvents(entries)
	if err != nil {
		return nil, err
	}
	last := events[len(events)-1]
	t.next, t.finished = last.Number+1, last.Terminal
	if len(events) == readBatch {
		signal(t.c) // there may be more
	}
	return events, nil
}

// ReadEvery is how long to wait at the most between two Reads.
func (t *Tail) ReadEvery() time.Duration { return rereadEvery }

// endIfLost writes the end of a stream whose producer is gone.
func (t *Tail) endIfLost(ctx context.Context) error {
	producer, _, _ := strings.Cut(t.stream, "_")
	if !t.store.bus.lost(ctx, producer) {
		return nil
	}
	entries, err := t.store.client.Do(ctx, t.store.client.B().Xrange().Key(keys(t.session).stream(t.stream)).
		Start("1").End("1").Build()).AsXRange()
	if err != nil || len(entries) == 0 {
		return err
	}
	var o opening
	if err := json.Unmarshal([]byte(entries[0].FieldValues["m"]), &o); err != nil {
		return fmt.Errorf("session: decode opening: %w", err)
	}
	_, err = t.store.append(ctx, t.session, t.stream, 0, "end", "", 0, [][]byte{LossError(o.Request)})
	if err != nil && !errors.Is(err, ErrStreamClosed) {
		return err
	}
	signal(t.c) // the end is there now, written here or elsewhere
	return nil
}

// lossCode is the JSON-RPC code of LossError, in the range for servers.
const lossCode = -32000

// LossError is the answer to a request whose replica is gone, or to a batch of
// them when request is an array of ids.
func LossError(request json.RawMessage) []byte {
	var batch []json.RawMessage
	if len(request) == 0 || request[0] != '[' || json.Unmarshal(request, &batch) != nil {
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"The server replica that ran this request is gone and its result is lost. Whether it took effect is not known; check before you repeat it."}}`, request, lossCode)
	}
	errors := make([][]byte, len(batch))
	for i, id := range batch {
		errors[i] = LossError(id)
	}
	return slices.Concat([]byte{'['}, bytes.Join(errors, []byte{','}), []byte{']'})
}

func entryID(number int64) string { return strconv.FormatInt(number, 10) + "-0" }
