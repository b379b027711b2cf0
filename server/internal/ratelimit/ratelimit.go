// Package ratelimit bounds how many requests a principal may make, over all
// replicas together, without asking Redis for each.
//
// A principal has one bucket in Redis, which fills at a steady rate by Redis's
// clock. A replica draws permits from it in blocks, ahead of need: when half a
// block is left, the next is on its way. So only a principal's first request
// on a replica, and those of one who outruns the drawing, wait for Redis. A
// replica never holds more than one block, which is by how much it can exceed
// the limit with permits drawn earlier.
//
// While Redis is away, each replica grants each principal one block a second:
// the limit protects the service and must not become its outage. Nor may it
// hold up the answer that Redis is away, so nobody waits for a draw for long:
// up to one block is lent, and settled by the draw.
//
// Keys: prynai:rate:{principal}, a string, owned by this package; it holds the
// time in microseconds at which the bucket is full again, and expires then.
package ratelimit

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/edge"
)

// Limit is what one principal may do.
type Limit struct {
	PerSecond int // in the long run
	Burst     int // at once, after a pause
	Block     int // the overshoot that is accepted per replica; at most Burst
}

const (
	keyPrefix = "prynai:rate:"
	// withoutRedis is how long a block granted without Redis must last.
	withoutRedis = time.Second
	// patience is how long a request waits for a draw.
	patience = 200 * time.Millisecond
	// forget is how long after the last draw a principal's block is given up.
	forget = 10 * time.Minute
)

// draw takes up to ARGV[3] permits from the bucket KEYS[1], which fills by
// ARGV[1] permits a second up to ARGV[2]. It returns how many it got and, if
// none, after how many milliseconds there will be some again: a quarter of what
// was wanted, so that a flood does not come back for every single one.
var draw = rueidis.NewLuaScript(`
local rate, burst, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local each = 1000000 / rate
local full = math.max(now, tonumber(redis.call("GET", KEYS[1]) or "0"))
local got = math.min(want, math.floor(burst - (full - now) / each))
if got < 1 then
	local missing = math.max(1, want / 4) - (burst - (full - now) / each)
	return {0, math.ceil(missing * each / 1000)}
end
full = full + got * each
redis.call("SET", KEYS[1], string.format("%.0f", full), "PX", math.ceil((full - now) / 1000))
return {got, 0}
`)

// A Limiter is one replica's side of the limit.
type Limiter struct {
	redis rueidis.Client
	limit Limit

	mu      sync.RWMutex
	blocks  map[string]*block
	swept   time.Time
	drawing sync.WaitGroup
}

// A block is what is left of the permits drawn for one principal.
type block struct {
	mu      sync.Mutex
	permits int           // negative where some were lent
	notNow  time.Time     // no use in drawing before
	drawn   time.Time     // last
	pending chan struct{} // closed at the end of the draw that is under way, if any
}

// New returns a limiter that draws through client.
func New(client rueidis.Client, limit Limit) *Limiter {
	return &Limiter{redis: client, limit: limit, blocks: map[string]*block{}, swept: time.Now()}
}

// Close waits for draws that are under way.
func (l *Limiter) Close() { l.drawing.Wait() }

// Middleware answers 429 to a principal that is over its limit.
func (l *Limiter) Middleware(principal func(*http.Request) string) edge.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait := l.Take(r.Context(), principal(r)); wait > 0 {
				edge.WriteTooManyRequests(w, wait, "more than "+strconv.Itoa(l.limit.PerSecond)+" requests a second")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Take uses up one permit of a principal. It returns zero, or after what time
// it is worth trying again.
func (l *Limiter) Take(ctx context.Context, principal string) time.Duration {
	b := l.block(principal)
	for {
		b.mu.Lock()
		if b.permits > 0 {
			b.permits--
			if b.permits < l.limit.Block/2 && b.pending == nil && time.Now().After(b.notNow) {
				l.drawFor(principal, b)
			}
			b.mu.Unlock()
			return 0
		}
		if b.pending == nil {
			if wait := time.Until(b.notNow); wait > 0 {
				b.mu.Unlock()
				return wait
			}
			l.drawFor(principal, b)
		}
		pending := b.pending
		b.mu.Unlock()
		if wait(ctx, pending) {
			continue
		}
		b.mu.Lock()
		lend := b.permits > -l.limit.Block
		if lend {
			b.permits--
		}
		b.mu.Unlock()
		if lend {
			return 0
		}
		return withoutRedis
	}
}

// wait reports whether the draw ended before patience or the request did.
func wait(ctx context.Context, pending <-chan struct{}) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-pending:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// drawFor fills the block up in the background. b.mu is held.
func (l *Limiter) drawFor(principal string, b *block) {
	want := l.limit.Block - b.permits
	b.pending = make(chan struct{})
	l.drawing.Go(func() {
		// Not the request's context: the permits are for those that follow, too.
		got, wait, err := l.draw(context.Background(), principal, want)
		now := time.Now()
		if err != nil {
			got, wait = want, withoutRedis
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.permits += got
		b.notNow, b.drawn = now.Add(wait), now
		close(b.pending)
		b.pending = nil
	})
}

func (l *Limiter) draw(ctx context.Context, principal string, want int) (got int, wait time.Duration, err error) {
	reply, err := draw.Exec(ctx, l.redis,
		[]string{keyPrefix + "{" + principal + "}"},
		[]string{strconv.Itoa(l.limit.PerSecond), strconv.Itoa(l.limit.Burst), strconv.Itoa(want)},
	).AsIntSlice()
	if err != nil {
		return 0, 0, err
	}
	return int(reply[0]), time.Duration(reply[1]) * time.Millisecond, nil
}

// block returns the principal's block, and now and then forgets idle ones.
func (l *Limiter) block(principal string) *block {
	l.mu.RLock()
	b := l.blocks[principal]
	l.mu.RUnlock()
	if b != nil {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b = l.blocks[principal]; b != nil {
		return b
	}
	if now := time.Now(); now.Sub(l.swept) > forget {
		l.swept = now
		for name, old := range l.blocks {
			if old.idle(now) {
				delete(l.blocks, name)
			}
		}
	}
	b = &block{drawn: time.Now()}
	l.blocks[principal] = b
	return b
}

func (b *block) idle(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending == nil && now.Sub(b.drawn) > forget
}
