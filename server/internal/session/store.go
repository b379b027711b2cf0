package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// streamKept is how long a call's stream outlives its last event, and so
	// how long a client may take to come back for a result.
	streamKept = 10 * time.Minute
	// secretKept is how long the sealing key outlives the last replica.
	secretKept = 48 * time.Hour
	// touchEvery bounds how often a session's lifetimes are extended.
	touchEvery = 30 * time.Second
)

// Limits bound what a session may take of Redis.
type Limits struct {
	SessionsPerPrincipal int // live sessions
	StreamsOpen          int // unfinished call streams of a session
	StreamsKept          int // finished call streams that are kept for resumption
	StreamEvents         int // events of a call's stream, beside the opening and the terminal one
	EventBytes           int // size of one event
	Subscriptions        int // of a session
	GetStreams           int // open GET streams of a session, the delivering one included
}

// DefaultLimits are generous to honest clients. They bound what a tool can make
// a session take; how large a tool's own events are is up to the tool.
var DefaultLimits = Limits{
	SessionsPerPrincipal: 1000,
	StreamsOpen:          64,
	StreamsKept:          64,
	StreamEvents:         8192,
	EventBytes:           4 << 20,
	Subscriptions:        256,
	GetStreams:           5,
}

// Options configure a Store.
type Options struct {
	Client rueidis.Client
	Logger *slog.Logger
	Idle   time.Duration // how long a session lives that nobody uses
	Limits Limits        // DefaultLimits where zero
}

// Store is a replica's access to the sessions. It is safe for concurrent use.
type Store struct {
	client  rueidis.Client
	log     *slog.Logger
	idle    time.Duration
	limits  Limits
	replica string
	bus     *bus
	cache   cache
	counter atomic.Int64 // numbers the streams and questions of this replica
	touches sync.WaitGroup
	closing chan struct{} // closed when Run ends
}

// Open makes a Store. Run must be called for it to hear of other replicas.
func Open(o Options) *Store {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
	s := &Store{
		client:  o.Client,
		log:     o.Logger,
		idle:    o.Idle,
		limits:  o.Limits,
		replica: newReplicaID(),
		closing: make(chan struct{}),
	}
	s.bus = newBus(o.Client, o.Logger, s.replica)
	return s
}

// Run connects the Store to the other replicas until ctx ends. The listener is
// told what concerns the calls and streams of this replica.
func (s *Store) Run(ctx context.Context, listener Listener) {
	s.bus.run(ctx, s, listener)
	close(s.closing)
	s.touches.Wait()
}

// Joined returns nil once the other replicas know of this one and this one
// hears them. A replica whose calls begin before could be lost without anybody
// noticing.
func (s *Store) Joined() error {
	if s.bus.heardWithin(trustedFor, time.Now()) {
		return nil
	}
	return errors.New("the bus was not heard yet")
}

// Replica is the random id of this process among the replicas.
func (s *Store) Replica() string { return s.replica }

// Active counts the sessions that this replica has served lately: those that can
// still be alive. A session counts on each replica that served it.
func (s *Store) Active() int64 { return s.cache.usedSince(time.Now().Add(-s.idle)) }

// Limits tells the bounds in force.
func (s *Store) Limits() Limits { return s.limits }

// NextID makes an id that no other replica makes and that names this one.
func (s *Store) NextID() string {
	return s.replica + "_" + strconv.FormatInt(s.counter.Add(1), 36)
}

// newReplicaID is short, for it stands in every event id.
func newReplicaID() string { return rand.Text()[:10] }

// TouchInterval is how long a session goes without an extension of its
// lifetime: short beside the idle time.
func (s *Store) TouchInterval() time.Duration { return min(touchEvery, s.idle/4) }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func nowMilliseconds() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) }
