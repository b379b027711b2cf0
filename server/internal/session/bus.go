package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// beatEvery is how often a replica says on the bus that it lives.
	beatEvery = 250 * time.Millisecond
	// trustedFor is how long a replica goes by its cache after the last own
	// beat that came back, counted from when that beat was sent.
	trustedFor = time.Second
	// acknowledgeWithin bounds the wait for other replicas to forget a record:
	// whoever has not answered by then no longer trusts its cache.
	acknowledgeWithin = trustedFor
	// reconnectEvery is how often a lost connection is tried again. Whether
	// there is one at all is package redis's affair, and an attempt without one
	// costs nothing.
	reconnectEvery = 25 * time.Millisecond
	// rereadEvery is how often whoever waits looks in Redis all the same.
	rereadEvery = 2 * time.Second
)

// Listener is told what happens to sessions, wherever it was asked for. Its
// methods must not block.
type Listener interface {
	// SessionEnded: the calls and streams of the session are to end.
	SessionEnded(session string)
	// Cancelled: the client takes back its request, an id in JSON.
	Cancelled(session string, request json.RawMessage)
	// ResourceUpdated: streams of the stateless revision that asked for it are
	// to hear of it.
	ResourceUpdated(uri string)
	// ListChanged: likewise, for the notification of the given method.
	ListChanged(method string)
	// Missed: messages may have been lost while the bus was not connected.
	Missed()
}

// message is what replicas say to each other; Kind decides which fields count.
type message struct {
	Kind    string          `json:"kind"`
	Replica string          `json:"replica,omitempty"` // who speaks
	Session string          `json:"session,omitempty"`
	Token   string          `json:"token,omitempty"`   // of a drop, or id of a question
	Sent    int64           `json:"sent,omitempty"`    // of a beat: the sender's own clock
	Ended   bool            `json:"ended,omitempty"`   // of a drop: the session is over
	Request json.RawMessage `json:"request,omitempty"` // of a cancel
	Name    string          `json:"name,omitempty"`    // URI of an update, method of a list change
}

const (
	kindBeat     = "beat"
	kindBye      = "bye" // the replica has ended and left nothing open
	kindDrop     = "drop"
	kindDropped  = "dropped"
	kindCancel   = "cancel"
	kindUpdate   = "update"
	kindList     = "list"
	kindAnswered = "answered"
)

// bus is a replica's one subscription connection.
type bus struct {
	client  rueidis.Client
	log     *slog.Logger
	replica string
	start   time.Time

	joined  atomic.Int64 // since start: when this replica began to hear the others
	heard   atomic.Int64 // since start: when the last own beat that came back was sent
	healthy atomic.Int64 // since start: from when on own beats came back without an outage

	connected chan struct{}  // the subscription stands: a beat will come back
	changed   chan struct{}  // watchers has come or gone
	answers   sync.WaitGroup // acknowledgements on their way

	mu       sync.Mutex
	peers    map[string]time.Time // when each other replica was heard last
	left     map[string]time.Time // replicas that said good-bye
	unheard  map[string]time.Time // since when others were waited for that were never heard
	acks     map[string]*pendingDrop
	watchers map[string]map[*Watch]struct{} // by channel
	waiters  map[string]chan struct{}       // by question
}

func newBus(client rueidis.Client, log *slog.Logger, replica string) *bus {
	b := &bus{
		client: client, log: log, replica: replica, start: time.Now(),
		connected: make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		peers:     map[string]time.Time{},
		left:      map[string]time.Time{},
		unheard:   map[string]time.Time{},
		acks:      map[string]*pendingDrop{},
		watchers:  map[string]map[*Watch]struct{}{},
		waiters:   map[string]chan struct{}{},
	}
	b.heard.Store(-int64(outageAfter)) // nothing was heard yet
	return b
}

// trusted reports whether an invalidation cannot have been missed, nor can one
// have been sent without waiting for this replica. For the former, an own beat
// that was sent less than trustedFor ago has come back, and messages keep their
// order. For the latter, this replica has spoken up for trustedFor: by then
// everyone has heard it who trusts itself.
func (b *bus) trusted(now time.Time) bool {
	return b.heardWithin(trustedFor, now) && int64(now.Sub(b.start))-b.joined.Load() >= int64(trustedFor)
}

// heardWithin reports whether an own beat that was sent less than d ago has
// come back.
func (b *bus) heardWithin(d time.Duration, now time.Time) bool {
	return int64(now.Sub(b.start))-b.heard.Load() < int64(d)
}

// run keeps the subscription until ctx ends.
func (b *bus) run(ctx context.Context, s *Store, listener Listener) {
	var beats sync.WaitGroup
	beats.Go(func() { b.beat(ctx) })
	defer beats.Wait()
	for first := true; ctx.Err() == nil; first = false {
		err := b.listen(ctx, s, listener, first)
		if ctx.Err() != nil {
			break
		}
		b.log.Debug("bus is not connected", "error", err)
		select {
		case <-time.After(reconnectEvery):
		case <-ctx.Done():
		}
	}
	b.answers.Wait() // nothing is received any more
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := b.sign(goodbye, message{Kind: kindBye}, lostAfter); err != nil {
		b.log.Info("no good-bye on the bus", "error", err)
	}
}

// beat speaks up, and looks who no longer does, until ctx ends.
func (b *bus) beat(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if err := b.sign(ctx, message{Kind: kindBeat, Sent: int64(time.Since(b.start))}, 0); err != nil && ctx.Err() == nil {
			b.log.Debug("beat was not sent", "error", err)
		}
		b.judge(ctx)
		select {
		case <-ticker.C:
		case <-b.connected:
		case <-ctx.Done():
			return
		}
	}
}

// listen serves one connection until it breaks or ctx ends.
func (b *bus) listen(ctx context.Context, s *Store, listener Listener, first bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, release := b.client.Dedicate()
	defer release()
	broken := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) { b.receive(ctx, s, listener, m) },
		// By the goroutine that hears the messages, before the first of them: an
		// own beat must not vouch for a cache from before.
		OnSubscription: func(to rueidis.PubSubSubscription) {
			if to.Channel == busChannel && to.Kind == "subscribe" {
				b.joined.Store(int64(time.Since(b.start)))
				s.cache.clear() // what was said before was not heard
			}
		},
	})
	own := conn.B().Subscribe().Channel(busChannel, replicaChannel(b.replica)).Build()
	if err := conn.Do(ctx, own).Error(); err != nil {
		return err
	}
	signal(b.connected)
	if !first {
		b.wakeAll()
		listener.Missed()
	}
	followed := make(chan error, 1)
	go func() { followed <- b.follow(ctx, conn) }()
	select {
	case err := <-broken:
		if err == nil {
			err = errors.New("connection closed")
		}
		if ctx.Err() == nil {
			b.log.Warn("bus disconnected", "error", err)
		}
		cancel()
		return errors.Join(err, <-followed)
	case err := <-followed:
		return err // nil when ctx has ended
	}
}

// publishScript publishes through the node that has the channel's name as a
// key. A cluster keeps the order of what enters at one node, and trusted counts
// on beats and drops keeping theirs. KEYS channel; ARGV message
var publishScript = rueidis.NewLuaScript(`return redis.call('PUBLISH', KEYS[1], ARGV[1])`)

func (b *bus) publish(ctx context.Context, channel string, m message) error {
	m.Replica = b.replica
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return publishScript.Exec(ctx, b.client, []string{channel}, []string{string(text)}).Error()
}

// receive handles what came on any channel, in the order in which it was sent.
func (b *bus) receive(ctx context.Context, s *Store, listener Listener, p rueidis.PubSubMessage) {
	if strings.HasSuffix(p.Channel, ":wake") {
		b.wake(p.Channel)
		return
	}
	var m message
	if err := json.Unmarshal([]byte(p.Message), &m); err != nil {
		b.log.Warn("unreadable message on the bus", "channel", p.Channel, "error", err)
		return
	}
	switch m.Kind {
	case kindBeat:
		b.hear(m)
	case kindBye:
		b.mu.Lock()
		delete(b.peers, m.Replica)
		b.left[m.Replica] = time.Now()
		b.mu.Unlock()
	case kindDrop:
		s.cache.drop(m.Session)
		if m.Ended {
			listener.SessionEnded(m.Session)
		}
		if m.Replica != b.replica {
			// Answering must not hold up the connection that hears the bus.
			b.answers.Go(func() {
				if err := b.publish(ctx, replicaChannel(m.Replica), message{Kind: kindDropped, Token: m.Token}); err != nil {
					b.log.Debug("drop was not acknowledged", "error", err)
				}
			})
		}
	case kindDropped:
		b.acknowledged(m.Token, m.Replica)
	case kindCancel:
		listener.Cancelled(m.Session, m.Request)
	case kindUpdate:
		listener.ResourceUpdated(m.Name)
	case kindList:
		listener.ListChanged(m.Name)
	case kindAnswered:
		b.mu.Lock()
		if ch := b.waiters[m.Token]; ch != nil {
			signal(ch)
		}
		b.mu.Unlock()
	default:
		b.log.Debug("unknown message on the bus", "kind", m.Kind)
	}
}

// hear notes a beat, an own one or another replica's.
func (b *bus) hear(m message) {
	now := time.Now()
	if m.Replica == b.replica {
		if !b.heardWithin(outageAfter, now) {
			b.healthy.Store(int64(now.Sub(b.start)))
		}
		b.heard.Store(m.Sent)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, left := b.left[m.Replica]; !left {
		b.peers[m.Replica] = now
	}
	for id, last := range b.peers {
		if now.Sub(last) > time.Hour {
			delete(b.peers, id)
		}
	}
	for _, times := range []map[string]time.Time{b.left, b.unheard} {
		for id, at := range times {
			if now.Sub(at) > time.Hour {
				delete(times, id)
			}
		}
	}
}
