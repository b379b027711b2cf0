package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStore is what a Store promises, on each kind of Redis.
func TestStore(t *testing.T) {
	kinds := []struct {
		name  string
		start func(*testing.T) (connect func() *redis.Client)
	}{
		{"embedded", func(t *testing.T) func() *redis.Client {
			embedded := redis.NewEmbedded()
			t.Cleanup(embedded.Close)
			return embedded.Client
		}},
		{"real", func(t *testing.T) func() *redis.Client { return connectTo(redistest.Start(t).Addr) }},
		{"cluster", func(t *testing.T) func() *redis.Client { return connectTo(redistest.StartCluster(t)[0].Addr) }},
	}
	suite := []struct {
		name string
		run  func(*testing.T, *backend)
	}{
		{"Create", testCreate}, {"Limits", testLimits}, {"Records of other releases", testRecords},
		{"Level", testLevel}, {"Subscriptions", testSubscriptions}, {"Delete", testDelete},
		{"Delete revives nothing", testDeleteRevivesNothing}, {"Lifetimes", testLifetimes},
		{"Append", testAppend}, {"Append repeated", testAppendRepeated}, {"Append limits", testAppendLimits},
		{"Tail", testTail}, {"Tail cursors", testTailCursors}, {"Tail of an ended session", testTailEnded}, {"Tail of a cancelled call", testTailCancelled},
		{"Loss", testLoss}, {"Good-bye", testGoodbye},
		{"Get ranks", testGetRanks}, {"Get delivered", testGetDelivered}, {"Get gaps", testGetGaps}, {"Get of a lost replica", testGetLost},
		{"Questions", testQuestions}, {"Question without wake-up", testQuestionReread},
		{"Coherence", testCoherence}, {"Secret", testSecret},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			b := &backend{connect: kind.start(t)}
			b.client = b.newClient(t)
			for _, test := range suite {
				t.Run(test.name, func(t *testing.T) { test.run(t, b) })
			}
		})
	}
}

func connectTo(address string) func() *redis.Client {
	return func() *redis.Client { return redis.Open(redis.Options{Address: address}) }
}

// backend is a Redis to test with.
type backend struct {
	connect func() *redis.Client
	client  *redis.Client // to look behind the stores' backs
}

func (b *backend) newClient(t *testing.T) *redis.Client {
	client := b.connect()
	t.Cleanup(client.Close)
	eventually(t, "contact with Redis", func() bool { return client.Health() == nil })
	return client
}

// replica is a running Store.
type replica struct {
	*Store
	heard *events
	stop  func() // ends it as a shutdown does
}

// open starts a replica that knows those that were started before it.
func (b *backend) open(t *testing.T, limits Limits) *replica {
	t.Helper()
	return b.openWith(t, b.newClient(t), limits)
}

// openWith does not wait until the replica would go by its cache: the tests
// see to it that the others know it.
func (b *backend) openWith(t *testing.T, client rueidis.Client, limits Limits) *replica {
	t.Helper()
	r := b.join(t, client, limits)
	r.bus.joined.Store(-int64(trustedFor))
	return r
}

func (b *backend) join(t *testing.T, client rueidis.Client, limits Limits) *replica {
	t.Helper()
	r := &replica{
		Store: Open(Options{Client: client, Logger: slog.New(slog.DiscardHandler), Idle: time.Minute, Limits: limits}),
		heard: &events{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx, r.heard) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(r.stop)
	eventually(t, "contact with the bus", func() bool { return r.Joined() == nil })
	return r
}

// pair starts two replicas that know each other.
func (b *backend) pair(t *testing.T) (one, other *replica) {
	t.Helper()
	one, other = b.open(t, Limits{}), b.open(t, Limits{})
	eventually(t, "acquaintance", func() bool { return one.knows(other) && other.knows(one) })
	return one, other
}

func (r *replica) knows(other *replica) bool {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	_, ok := r.bus.peers[other.Replica()]
	return ok
}

// forgetGoodbye makes it look as if the other one had died this moment without
// a word.
func (r *replica) forgetGoodbye(t *testing.T, other *replica) {
	t.Helper()
	eventually(t, "good-bye", func() bool {
		r.bus.mu.Lock()
		defer r.bus.mu.Unlock()
		_, heard := r.bus.left[other.Replica()]
		delete(r.bus.left, other.Replica())
		return heard
	})
	r.setSign(t, other.Replica(), time.Now())
}

// losePeer makes it look as if that were long ago.
func (r *replica) losePeer(t *testing.T, other string) {
	t.Helper()
	r.bus.healthy.Store(-int64(settleTime))
	r.setSign(t, other, time.Now().Add(-lostAfter))
}

func (r *replica) setSign(t *testing.T, of string, at time.Time) {
	t.Helper()
	if err := r.client.Do(t.Context(), r.client.B().Zadd().Key(presenceKey).ScoreMember().ScoreMember(float64(at.UnixMilli()), of).Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

func (r *replica) create(t *testing.T) *Record {
	t.Helper()
	record, err := r.Create(t.Context(), Record{Principal: "p-" + t.Name(), Protocol: "2025-11-25", Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func (r *replica) stream(t *testing.T, session string) *Stream {
	t.Helper()
	stream, err := r.NewStream(session, json.RawMessage(`7`))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// events is a Listener that remembers.
type events struct {
	mu   sync.Mutex
	seen []string
}

func (e *events) add(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, s)
}

func (e *events) has(s string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.seen, s)
}

func (e *events) SessionEnded(id string) { e.add("ended " + id) }
func (e *events) Cancelled(id string, rq json.RawMessage) {
	e.add("cancelled " + id + " " + string(rq))
}
func (e *events) ResourceUpdated(uri string) { e.add("updated " + uri) }
func (e *events) ListChanged(method string)  { e.add("list " + method) }
func (e *events) Missed()                    { e.add("missed") }

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

func want(t testing.TB, what string, got, wanted error) {
	t.Helper()
	if !errors.Is(got, wanted) || wanted == nil && got != nil {
		t.Errorf("%s: got %v, want %v", what, got, wanted)
	}
}

// read collects what a stream has, until n events were read.
func read(t *testing.T, n int, from interface {
	Read(context.Context) ([]Event, error)
}) (got []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events", n), func() bool {
		events, err := from.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			text := fmt.Sprintf("%d:%s", e.Number, e.Data)
			if e.Terminal {
				text += ":end"
			}
			got = append(got, text)
		}
		return len(got) >= n
	})
	return got
}

func equal(t testing.TB, what string, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: got %q, want %q", what, got, wanted)
	}
}

// keysOf lists the keys of a session that exist.
func (b *backend) keysOf(t *testing.T, session string) (keys []string) {
	t.Helper()
	for _, node := range b.client.Nodes() {
		found, err := node.Do(t.Context(), node.B().Keys().Pattern("mcp:{"+session+"}*").Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, found...)
	}
	return keys
}
