package session

import (
	"fmt"
	"testing"
)

func (r *replica) get(t *testing.T, session string, after *Cursor) *Get {
	t.Helper()
	get, err := r.OpenGet(t.Context(), session, after)
	if err != nil {
		t.Fatal(err)
	}
	return get
}

func (r *replica) notify(t *testing.T, session string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := r.Notify(t.Context(), session, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// testGetRanks: the newest stream delivers; when it ends an older one does,
// from where the newer one stopped; the oldest of too many is pushed out.
func testGetRanks(t *testing.T, b *backend) {
	limits := DefaultLimits
	limits.GetStreams = 2
	one, other := b.open(t, limits), b.open(t, limits)
	record, ctx := one.create(t), t.Context()
	oldest := one.get(t, record.ID, nil)
	older := one.get(t, record.ID, nil)
	one.notify(t, record.ID, "a")
	newest := other.get(t, record.ID, nil)
	_, err := oldest.Read(ctx)
	want(t, "the stream pushed out", err, ErrFinished)
	if events, err := older.Read(ctx); len(events) > 0 || err != nil {
		t.Errorf("the older stream delivers %v, %v", events, err)
	}
	equal(t, "the newest", read(t, 1, newest), "1:a")
	want(t, "delivered", newest.Delivered(ctx), nil)
	one.notify(t, record.ID, "b")
	newest.Close(ctx)
	equal(t, "the older one takes over", read(t, 1, older), "2:b")
	older.Close(ctx)
	oldest.Close(ctx)
}

func testGetDelivered(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record, ctx := one.create(t), t.Context()
	one.notify(t, record.ID, "a", "b", "c")
	first := one.get(t, record.ID, nil)
	equal(t, "the first", read(t, 3, first), "1:a", "2:b", "3:c")
	first.Close(ctx) // nothing was written to the client
	second := other.get(t, record.ID, nil)
	if c := second.Cursor().String(); c != "out.0" {
		t.Errorf("the second starts at %s", c)
	}
	equal(t, "the second", read(t, 3, second), "1:a", "2:b", "3:c")
	want(t, "delivered", second.Delivered(ctx), nil)
	second.Close(ctx)
	one.notify(t, record.ID, "d")
	third := one.get(t, record.ID, nil)
	equal(t, "the third", read(t, 1, third), "4:d")
	want(t, "delivered", third.Delivered(ctx), nil)
	third.Close(ctx)
	again := one.get(t, record.ID, &Cursor{outStream, 2})
	equal(t, "a cursor before what was delivered", read(t, 2, again), "3:c", "4:d")
	again.Close(ctx)
}

// testGetGaps: whoever cannot be told everything since its cursor is told that.
func testGetGaps(t *testing.T, b *backend) {
	limits := DefaultLimits
	limits.StreamEvents = 4
	one := b.open(t, limits)
	record, ctx := one.create(t), t.Context()
	get := one.get(t, record.ID, nil)
	one.notify(t, record.ID, "1")
	equal(t, "before the gap", read(t, 1, get), "1:1")
	for i := range 8 {
		one.notify(t, record.ID, fmt.Sprint(i+2))
	}
	_, err := get.Read(ctx)
	want(t, "a reader that is too slow", err, ErrCursorLost)
	get.Close(ctx)
	for number, wanted := range map[int64]error{0: ErrCursorLost, 4: ErrCursorLost, 5: nil, 9: nil, 10: ErrCursorLost} {
		get, err := one.OpenGet(ctx, record.ID, &Cursor{outStream, number})
		want(t, fmt.Sprint("cursor ", number), err, wanted)
		if err == nil {
			get.Close(ctx)
		}
	}
	fresh := one.get(t, record.ID, nil) // names no place: gets what there is
	equal(t, "without a cursor", read(t, 4, fresh), "6:6", "7:7", "8:8", "9:9")
	fresh.Close(ctx)
}

// testGetLost: a stream of a lost replica does not keep the others silent.
func testGetLost(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record, ctx := one.create(t), t.Context()
	older := other.get(t, record.ID, nil)
	one.get(t, record.ID, nil)
	one.notify(t, record.ID, "a")
	if events, err := older.Read(ctx); len(events) > 0 || err != nil {
		t.Errorf("the older stream delivers %v, %v", events, err)
	}
	one.stop()
	equal(t, "the older one takes over", read(t, 1, older), "1:a")
	older.Close(ctx)
}
