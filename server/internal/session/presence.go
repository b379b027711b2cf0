package session

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/rueidis"
)

const (
	// lostAfter is how long a replica gives no sign of life before it counts as
	// lost.
	lostAfter = 5 * time.Second
	// settleTime is how long a replica hears the bus before it judges others:
	// after an outage of Redis they need a moment to give a sign again.
	settleTime = 3 * time.Second
	// outageAfter is how long a replica hears nothing, not even of itself, for
	// that to count as an outage. After a shorter one the others have
	// settleTime all the same, since only lostAfter makes silence a loss. The
	// longer, the less a busy machine puts a judgement off.
	outageAfter = lostAfter - settleTime
	// presenceKept is how long the last sign of a replica is remembered.
	presenceKept = time.Hour
)

// Signs of life are kept in Redis beside being heard, so that a replica that
// has just started knows of those that ended before. Their times are Redis's
// own.
var (
	// KEYS channel, presence; ARGV message, replica, age of the sign ms, kept ms
	signScript = rueidis.NewLuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%d', now - ARGV[3]), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%d', now - ARGV[4]))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return redis.call('PUBLISH', KEYS[1], ARGV[1])`)

	// Answers how old the last sign of a replica is, in ms; -1 without any.
	// KEYS presence; ARGV replica
	silenceScript = rueidis.NewLuaScript(`
local sign = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not sign then return -1 end
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000) - sign`)
)

// sign tells all replicas that this one lives, or that it has ended, by a sign
// that is old already.
func (b *bus) sign(ctx context.Context, m message, age time.Duration) error {
	m.Replica = b.replica
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return signScript.Exec(ctx, b.client, []string{busChannel, presenceKey},
		[]string{string(text), b.replica, milliseconds(age), milliseconds(presenceKept)}).Error()
}

// lost reports whether a replica is gone for good: it has ended, or has given
// no sign of life for lostAfter while it could have. When in doubt it is not.
func (b *bus) lost(ctx context.Context, replica string) bool {
	now := time.Now()
	b.mu.Lock()
	_, left := b.left[replica]
	last, heard := b.peers[replica]
	b.mu.Unlock()
	switch {
	case replica == b.replica:
		return false
	case left:
		return true
	case heard && now.Sub(last) < lostAfter:
		return false
	case !b.heardWithin(outageAfter, now) || int64(now.Sub(b.start))-b.healthy.Load() < int64(settleTime):
		return false
	}
	silence, err := silenceScript.Exec(ctx, b.client, []string{presenceKey}, []string{replica}).AsInt64()
	switch {
	case err != nil:
		return false
	case silence < 0:
		return b.overdue(replica, now)
	}
	return silence >= lostAfter.Milliseconds()
}

// judge looks at the replicas that have fallen silent. Once one is lost,
// whoever waits looks at once whether it waits for that one.
func (b *bus) judge(ctx context.Context) {
	now := time.Now()
	silent := map[string]time.Time{}
	b.mu.Lock()
	for id, last := range b.peers {
		if now.Sub(last) >= lostAfter {
			silent[id] = last
		}
	}
	b.mu.Unlock()
	for id, last := range silent {
		if !b.lost(ctx, id) {
			continue
		}
		b.mu.Lock()
		if b.peers[id].Equal(last) {
			delete(b.peers, id) // judged, until it is heard again
		}
		b.mu.Unlock()
		b.log.Warn("a replica gives no sign of life", "replica", id, "for", now.Sub(last))
		b.wakeAll()
	}
}

// overdue reports whether a replica that never gave a sign has had the time to:
// it may have started this very moment.
func (b *bus) overdue(replica string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, ok := b.unheard[replica]
	if !ok {
		b.unheard[replica] = now
		return false
	}
	return now.Sub(since) >= lostAfter
}
