package session

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// virtual runs a test with replicas on an embedded Redis in virtual time.
func virtual(t *testing.T, test func(t *testing.T, b *backend)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		embedded := redis.NewEmbedded()
		t.Cleanup(embedded.Close)
		b := &backend{connect: embedded.Client}
		b.client = b.newClient(t)
		test(t, b)
	})
}

// TestExpiry: a session that nobody uses ends after its idle time, and one that
// somebody uses lives on, on whichever replica.
func TestExpiry(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		one, other := b.pair(t)
		used, unused := one.create(t), one.create(t)
		for range 20 {
			time.Sleep(10 * time.Second)
			for _, r := range []*replica{one, other} {
				if _, err := r.Load(t.Context(), used.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range []*replica{one, other} {
			_, err := r.Load(t.Context(), unused.ID)
			want(t, "the unused session", err, ErrNotFound)
		}
		if left := b.keysOf(t, unused.ID); len(left) > 0 {
			t.Errorf("keys of an expired session: %q", left)
		}
		time.Sleep(time.Minute + time.Second)
		_, err := one.Load(t.Context(), used.ID)
		want(t, "the used session, left alone", err, ErrNotFound)
	})
}

// TestPlaceOfAnExpiredSession: what has expired does not count.
func TestPlaceOfAnExpiredSession(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		limits := DefaultLimits
		limits.SessionsPerPrincipal = 1
		one := b.open(t, limits)
		record := one.create(t)
		time.Sleep(30 * time.Second)
		if _, err := one.Load(t.Context(), record.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(45 * time.Second) // longer than a minute after its beginning
		_, err := one.Create(t.Context(), Record{Principal: record.Principal})
		want(t, "a second session", err, ErrTooManySessions)
		time.Sleep(time.Minute)
		one.create(t)
	})
}

// TestStreamLifetime: a running call's stream outlives any silence, a finished
// one is kept for a while.
func TestStreamLifetime(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		one := b.open(t, Limits{})
		record, ctx := one.create(t), t.Context()
		stream := one.stream(t, record.ID)
		want(t, "append", stream.Append(ctx, []byte("a")), nil)
		for range 200 { // 50 minutes
			time.Sleep(one.TouchInterval())
			want(t, "touch", one.Touch(ctx, record.ID), nil)
			want(t, "keep", stream.Keep(ctx), nil)
		}
		want(t, "append", stream.Append(ctx, []byte("b")), nil)
		want(t, "finish", stream.Finish(ctx, []byte("c")), nil)
		for elapsed := time.Duration(0); elapsed < streamKept-time.Minute; elapsed += one.TouchInterval() {
			time.Sleep(one.TouchInterval())
			want(t, "touch", one.Touch(ctx, record.ID), nil)
		}
		tail, err := one.Tail(ctx, record.ID, Cursor{stream.id, 1})
		want(t, "resume", err, nil)
		tail.Close()
		for range 6 {
			time.Sleep(one.TouchInterval())
			want(t, "touch", one.Touch(ctx, record.ID), nil)
		}
		_, err = one.Tail(ctx, record.ID, Cursor{stream.id, 1})
		want(t, "resume too late", err, ErrCursorLost)
	})
}

// TestTrust: a replica that hears nothing of the bus for a second does not go
// by its cache, and what changed meanwhile is not served when it hears again.
func TestTrust(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		deaf := &deafened{Client: b.newClient(t)}
		one := b.openWith(t, deaf, Limits{})
		other := b.open(t, Limits{})
		eventually(t, "acquaintance", func() bool { return one.knows(other) && other.knows(one) })
		record := one.create(t)

		deaf.set(true)
		start := time.Now()
		want(t, "change", other.SetLevel(t.Context(), record.ID, "error"), nil)
		if took := time.Since(start); took != acknowledgeWithin {
			t.Errorf("a change that one replica did not acknowledge took %v", took)
		}
		if r, err := one.Load(t.Context(), record.ID); err != nil || r.Level != "error" {
			t.Errorf("the replica that heard nothing has %+v, %v", r, err)
		}
		if one.bus.trusted(time.Now()) {
			t.Error("trusted without a heartbeat")
		}
		start = time.Now()
		want(t, "change by the deaf one", one.SetLevel(t.Context(), record.ID, "alert"), nil)
		if took := time.Since(start); took < trustedFor {
			t.Errorf("a replica that hears nobody was sure after %v", took)
		}
		deaf.set(false)
		eventually(t, "trust", func() bool { return one.bus.trusted(time.Now()) })

		start = time.Now()
		want(t, "change", other.SetLevel(t.Context(), record.ID, "info"), nil)
		if took := time.Since(start); took >= acknowledgeWithin {
			t.Errorf("a change that was acknowledged took %v", took)
		}
	})
}

// TestJoin: a replica that has just come is not waited for by those that have
// not heard it yet, so that it does not go by its cache before they have.
func TestJoin(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		one := b.join(t, b.newClient(t), Limits{})
		joined := one.bus.start.Add(time.Duration(one.bus.joined.Load()))
		time.Sleep(time.Until(joined.Add(trustedFor - time.Millisecond)))
		if one.bus.trusted(time.Now()) {
			t.Error("trusted too early")
		}
		time.Sleep(time.Millisecond)
		if !one.bus.trusted(time.Now()) {
			t.Error("not trusted")
		}
	})
}

// TestHeardBeforeSubscribed: an own beat may come before it is known that the
// subscription stands. It must not vouch for what the cache has from before.
func TestHeardBeforeSubscribed(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		late := &lateSubscriber{Client: b.newClient(t), by: 2 * trustedFor}
		one := b.join(t, late, Limits{}) // waits for an own beat
		if !late.waits.Load() {
			t.Fatal("the subscription was known to stand before a beat was heard")
		}
		if one.bus.joined.Load() == 0 {
			t.Error("an own beat was heard by a replica that has not forgotten yet what it knew before")
		}
	})
}

// lateSubscriber is a client that learns late of its subscriptions.
type lateSubscriber struct {
	rueidis.Client
	by    time.Duration
	waits atomic.Bool
}

func (l *lateSubscriber) Dedicate() (rueidis.DedicatedClient, func()) {
	conn, release := l.Client.Dedicate()
	return &lateConn{conn, l}, release
}

type lateConn struct {
	rueidis.DedicatedClient
	l *lateSubscriber
}

func (c *lateConn) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	time.Sleep(time.Millisecond) // virtual; at the start itself, having joined looks like not having joined
	result := c.DedicatedClient.Do(ctx, cmd)
	c.l.waits.Store(true)
	time.Sleep(c.l.by)
	c.l.waits.Store(false)
	return result
}

// TestLost: what is needed for a replica to count as lost.
func TestLost(t *testing.T) {
	virtual(t, func(t *testing.T, b *backend) {
		one, other := b.pair(t)
		expect := func(what string, r *replica, id string, lost bool) {
			t.Helper()
			if got := r.bus.lost(t.Context(), id); got != lost {
				t.Errorf("%s: lost %v", what, got)
			}
		}
		time.Sleep(2 * lostAfter)
		expect("a live one", one, other.Replica(), false)

		// One that was never heard may have started this very moment.
		expect("a new one", one, "NEW", false)
		time.Sleep(lostAfter - time.Millisecond)
		expect("a new one, a moment too early", one, "NEW", false)
		time.Sleep(time.Millisecond)
		expect("one that never gave a sign", one, "NEW", true)

		// One that fell silent, as others know that were not there to hear it.
		one.setSign(t, "SILENT", time.Now())
		expect("one that was heard of just now", one, "SILENT", false)
		time.Sleep(lostAfter)
		expect("one that is silent", one, "SILENT", true)
		other.stop()
		fresh := b.open(t, Limits{})
		expect("by one that has just started", fresh, "SILENT", false)
		time.Sleep(settleTime)
		expect("by one that has settled", fresh, "SILENT", true)
		expect("one that said good-bye before", fresh, other.Replica(), true)
		expect("a live one", fresh, one.Replica(), false)
	})
}

// TestLossWakes: who waits is woken as soon as a replica is lost, once, also
// when this one was too busy to hear the bus for a while.
func TestLossWakes(t *testing.T) {
	for name, busy := range map[string]time.Duration{"idle": 0, "busy": outageAfter - 2*beatEvery} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, b *backend) {
				deaf := &deafened{Client: b.newClient(t)}
				one := b.openWith(t, deaf, Limits{})
				time.Sleep(2 * settleTime)
				one.setSign(t, "SILENT", time.Now())
				one.bus.hear(message{Kind: kindBeat, Replica: "SILENT"})
				start := time.Now()
				watch := one.bus.watch("some stream's")
				defer watch.Close()
				time.Sleep(beatEvery)
				<-watch.C // of having subscribed

				time.Sleep(lostAfter - time.Second)
				deaf.set(true)
				time.Sleep(busy)
				deaf.set(false)
				<-watch.C
				if took := time.Since(start); took < lostAfter || took > lostAfter+busy+2*beatEvery {
					t.Errorf("woken after %v", took)
				}
				select {
				case <-watch.C:
					t.Error("woken twice")
				case <-time.After(time.Minute):
				}
			})
		})
	}
}

// deafened is a client whose subscriptions can go silent.
type deafened struct {
	rueidis.Client
	deaf atomic.Bool
}

func (d *deafened) set(v bool) { d.deaf.Store(v) }

func (d *deafened) Dedicate() (rueidis.DedicatedClient, func()) {
	conn, release := d.Client.Dedicate()
	return &deafConn{conn, d}, release
}

type deafConn struct {
	rueidis.DedicatedClient
	d *deafened
}

func (c *deafConn) SetPubSubHooks(h rueidis.PubSubHooks) <-chan error {
	on := h.OnMessage
	h.OnMessage = func(m rueidis.PubSubMessage) {
		if !c.d.deaf.Load() {
			on(m)
		}
	}
	return c.DedicatedClient.SetPubSubHooks(h)
}

// TestReconnect: a cut of the bus is noticed; what was cached is forgotten, and
// everything that waits looks again.
func TestReconnect(t *testing.T) {
	server := redistest.Start(t)
	b := &backend{connect: connectTo(server.Addr)}
	b.client = b.newClient(t)
	one, other := b.pair(t)
	record := one.create(t)
	tail := one.bus.watch(keys(record.ID).wake())
	defer tail.Close()

	kill := b.client.B().Arbitrary("CLIENT", "KILL", "TYPE", "pubsub").Build()
	if n, err := b.client.Do(t.Context(), kill).AsInt64(); err != nil || n != 2 {
		t.Fatalf("killed %d, %v", n, err)
	}
	// Behind the replicas' backs, in the moment in which nothing is heard.
	if err := b.client.Do(t.Context(), b.client.B().Hset().Key(keys(record.ID).record()).FieldValue().FieldValue("level", "alert").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "reconnection", func() bool { return one.heard.has("missed") && other.heard.has("missed") })
	if r, err := one.Load(t.Context(), record.ID); err != nil || r.Level != "alert" {
		t.Errorf("after the cut: %+v, %v", r, err)
	}
	select {
	case <-tail.C:
	case <-time.After(5 * time.Second):
		t.Error("no wake-up after the cut")
	}
	want(t, "cancel", other.Cancel(t.Context(), record.ID, json.RawMessage(`"x"`)), nil)
	eventually(t, "cancel after the cut", func() bool { return one.heard.has(fmt.Sprintf("cancelled %s \"x\"", record.ID)) })
	want(t, "list", other.ListChanged(t.Context(), "m"), nil)
	eventually(t, "list change after the cut", func() bool { return one.heard.has("list m") })
}

// TestUnreadableMessages: other releases may say what this one does not know.
func TestUnreadableMessages(t *testing.T) {
	b := &Store{log: slog.New(slog.DiscardHandler)}
	b.bus = newBus(nil, b.log, "R")
	for _, text := range []string{``, `[]`, `{"kind":"from the future","replica":"X"}`, `{"kind":"dropped","token":"?"}`, `{"kind":"answered","token":"?"}`} {
		b.bus.receive(t.Context(), b, &events{}, rueidis.PubSubMessage{Channel: busChannel, Message: text})
	}
}
