package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func testAppend(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record := one.create(t)
	stream := one.stream(t, record.ID)
	if stream.Opened() {
		t.Error("open before anything was stored")
	}
	want(t, "open", stream.Open(t.Context()), nil)
	want(t, "open again", stream.Open(t.Context()), nil)
	if last := stream.Last().Number; last != 1 {
		t.Errorf("the opening has number %d", last)
	}
	want(t, "append", stream.Append(t.Context(), []byte("a"), []byte("b")), nil)
	want(t, "finish", stream.Finish(t.Context(), []byte("c")), nil)
	if last := stream.Last().Number; last != 4 {
		t.Errorf("the end has number %d", last)
	}
	want(t, "append after the end", stream.Append(t.Context(), []byte("d")), ErrStreamClosed)
	want(t, "second end", stream.Finish(t.Context(), []byte("d")), ErrStreamClosed)
}

// testAppendRepeated repeats writes whose acknowledgement was lost.
func testAppendRepeated(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record := one.create(t)
	stream := one.stream(t, record.ID)
	for range 2 {
		want(t, "append", stream.Append(t.Context(), []byte("a"), []byte("b")), nil)
		stream.last = 0
	}
	stream.last = 3
	for range 2 {
		want(t, "finish", stream.Finish(t.Context(), []byte("c")), nil)
		stream.last = 3
	}
	want(t, "another end in its place", stream.Finish(t.Context(), []byte("x")), ErrStreamClosed)
	tail, err := one.Tail(t.Context(), record.ID, Cursor{stream.id, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	equal(t, "stream", read(t, 3, tail), "2:a", "3:b", "4:c:end")
}

func testAppendLimits(t *testing.T, b *backend) {
	limits := Limits{SessionsPerPrincipal: 5, StreamsOpen: 2, StreamsKept: 2, StreamEvents: 3, EventBytes: 10, Subscriptions: 1, GetStreams: 1}
	one := b.open(t, limits)
	record, ctx := one.create(t), t.Context()
	stream, second, third := one.stream(t, record.ID), one.stream(t, record.ID), one.stream(t, record.ID)
	want(t, "three events", stream.Append(ctx, []byte("1"), []byte("2"), []byte("3")), nil)
	want(t, "a fourth", stream.Append(ctx, []byte("4")), ErrStreamFull)
	want(t, "a large event", second.Append(ctx, bytes.Repeat([]byte("x"), 11)), ErrEventTooLarge)
	if second.Opened() {
		t.Error("something of the large event was stored")
	}
	want(t, "a second stream", second.Append(ctx, []byte("1")), nil)
	want(t, "a third stream", third.Append(ctx, []byte("1")), ErrTooManyStreams)
	want(t, "the end of a full stream", stream.Finish(ctx, []byte("end")), nil)
	want(t, "a third stream after one has ended", third.Append(ctx, []byte("1")), nil)
	want(t, "end", second.Finish(ctx, nil), nil)
	want(t, "end", third.Finish(ctx, []byte("end")), nil)
	_, err := one.Tail(ctx, record.ID, Cursor{stream.id, 1})
	want(t, "the oldest of three finished streams", err, ErrCursorLost)
	tail, err := one.Tail(ctx, record.ID, Cursor{third.id, 1})
	want(t, "the newest", err, nil)
	tail.Close()
}

func testTail(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record, ctx := one.create(t), t.Context()
	stream := one.stream(t, record.ID)
	var wanted []string
	for i := range 3 * readBatch / 2 { // more than is read at once
		want(t, "append", stream.Append(ctx, []byte(fmt.Sprint(i))), nil)
		wanted = append(wanted, fmt.Sprintf("%d:%d", i+2, i))
	}
	tail, err := other.Tail(ctx, record.ID, Cursor{stream.id, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	equal(t, "what was missed", read(t, len(wanted), tail), wanted...)
	for {
		select { // earlier wake-ups
		case <-tail.C:
			continue
		default:
		}
		break
	}
	want(t, "finish", stream.Finish(ctx, []byte("result")), nil)
	select {
	case <-tail.C:
	case <-time.After(10 * time.Second):
		t.Error("no wake-up")
	}
	equal(t, "the end", read(t, 1, tail), fmt.Sprintf("%d:result:end", len(wanted)+2))
}

func testTailCursors(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record, ctx := one.create(t), t.Context()
	stream := one.stream(t, record.ID)
	want(t, "append", stream.Append(ctx, []byte("a")), nil)
	want(t, "finish", stream.Finish(ctx, []byte("b")), nil)
	stranger := one.create(t)
	for _, test := range []struct {
		session string
		cursor  Cursor
		err     error
	}{
		{record.ID, Cursor{stream.id, 1}, nil},
		{record.ID, Cursor{stream.id, 2}, nil},
		{record.ID, Cursor{stream.id, 3}, ErrFinished},
		{record.ID, Cursor{stream.id, 4}, ErrCursorLost},
		{record.ID, Cursor{stream.id, 0}, ErrBadCursor},
		{record.ID, Cursor{"UNKNOWN", 1}, ErrCursorLost},
		{stranger.ID, Cursor{stream.id, 1}, ErrCursorLost},
	} {
		tail, err := one.Tail(ctx, test.session, test.cursor)
		want(t, test.cursor.String(), err, test.err)
		if err == nil {
			tail.Close()
		}
	}
}

// testTailEnded: a tail ends with its session, also when nobody was told.
func testTailEnded(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record, ctx := one.create(t), t.Context()
	stream := one.stream(t, record.ID)
	want(t, "append", stream.Append(ctx, []byte("a")), nil)
	tail, err := one.Tail(ctx, record.ID, Cursor{stream.id, 2})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if err := b.client.Do(ctx, b.client.B().Del().Key(keys(record.ID).record()).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	_, err = tail.Read(ctx)
	want(t, "read", err, ErrNotFound)
	_, err = one.Load(ctx, record.ID)
	want(t, "the session, after that", err, ErrNotFound)
}

// testTailCancelled: a stream without an answer leaves nothing to come back for.
func testTailCancelled(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record, ctx := one.create(t), t.Context()
	stream := one.stream(t, record.ID)
	want(t, "append", stream.Append(ctx, []byte("a")), nil)
	tail, err := one.Tail(ctx, record.ID, Cursor{stream.id, 2})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	want(t, "finish", stream.Finish(ctx, nil), nil)
	equal(t, "the end", read(t, 1, tail), "3::end")
	_, err = one.Tail(ctx, record.ID, Cursor{stream.id, 2})
	want(t, "resuming from the last event", err, ErrFinished)
}

// testLoss: the end of a stream is written once, by whichever of several
// readers finds its producer lost, and the producer is told when it comes back.
func testLoss(t *testing.T, b *backend) {
	one, other := b.pair(t)
	third := b.open(t, Limits{})
	record, ctx := one.create(t), t.Context()
	stream := one.stream(t, record.ID)
	want(t, "append", stream.Append(ctx, []byte("a")), nil)
	batch, err := one.NewStream(record.ID, json.RawMessage(`["x",2]`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "append", batch.Append(ctx, []byte("a")), nil)

	one.stop()
	var tails []*Tail
	for _, r := range []*replica{other, third} {
		r.forgetGoodbye(t, one)
		tail, err := r.Tail(ctx, record.ID, Cursor{stream.id, 2})
		if err != nil {
			t.Fatal(err)
		}
		if events, err := tail.Read(ctx); len(events) > 0 || err != nil {
			t.Fatalf("before the loss is certain: %v, %v", events, err)
		}
		tails = append(tails, tail)
	}
	for i, r := range []*replica{other, third} {
		r.losePeer(t, one.Replica())
		end := read(t, 1, tails[i])
		if len(end) != 1 || !strings.HasPrefix(end[0], `3:{"jsonrpc":"2.0","id":7,"error"`) {
			t.Errorf("the end is %q", end)
		}
		tails[i].Close()
	}
	want(t, "the result of a replica that was paused", stream.Finish(ctx, []byte("late")), ErrStreamClosed)

	tail, err := other.Tail(ctx, record.ID, Cursor{batch.id, 2}) // a batch: one error each
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	end := read(t, 1, tail)
	if !strings.HasPrefix(end[0], `3:[{"jsonrpc":"2.0","id":"x","error"`) || strings.Count(end[0], `"id":2,`) != 1 {
		t.Errorf("the end of a batch is %q", end)
	}
}

// testGoodbye: a replica that has ended is lost at once.
func testGoodbye(t *testing.T, b *backend) {
	one, other := b.pair(t)
	one.stop()
	eventually(t, "loss", func() bool { return other.bus.lost(t.Context(), one.Replica()) })
	if other.bus.lost(t.Context(), other.Replica()) {
		t.Error("a replica takes itself for lost")
	}
}

func TestParseCursor(t *testing.T) {
	for text, wanted := range map[string]Cursor{
		"A_1.5": {"A_1", 5}, "out.0": {"out", 0}, "x.999999999999999999": {"x", 999999999999999999},
	} {
		if c, err := ParseCursor(text); err != nil || c != wanted || c.String() != text {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", ".", "a", "a.", ".1", "a.-1", "a.01", "a.1.2", "a b.1", "a.1x", "a.9999999999999999999", "{a}.1", strings.Repeat("a", 65) + ".1"} {
		if c, err := ParseCursor(text); err == nil {
			t.Errorf("%q: got %v", text, c)
		}
	}
}
