package session

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// cacheSize bounds the records a replica keeps at hand.
	cacheSize = 1 << 16
	// cacheUnused is after how long an unused record may make room.
	cacheUnused = 5 * time.Minute
)

// cache keeps records of sessions that this replica has seen. The zero value is
// ready. Reading takes no lock and allocates nothing.
type cache struct {
	records sync.Map // id -> *cached
	size    atomic.Int64

	mu    sync.Mutex // held to write
	drops uint64     // counts drop and clear: see putIfUnchanged
}

type cached struct {
	record  *Record
	used    atomic.Int64 // Unix nanoseconds
	touched atomic.Int64 // Unix nanoseconds of the last extension of lifetimes
}

// get finds a record and tells whether its lifetimes are due for extension,
// which it tells one caller only. A record unused for two intervals is not
// found: the session may have expired.
func (c *cache) get(id string, now time.Time, touchInterval time.Duration) (r *Record, touch bool) {
	v, ok := c.records.Load(id)
	if !ok {
		return nil, false
	}
	e := v.(*cached)
	at := now.UnixNano()
	e.used.Store(at)
	last := e.touched.Load()
	if at-last >= 2*int64(touchInterval) {
		return nil, false
	}
	return e.record, at-last >= int64(touchInterval) && e.touched.CompareAndSwap(last, at)
}

func (c *cache) put(r *Record, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(r, now)
}

func (c *cache) store(r *Record, now time.Time) {
	e := &cached{record: r}
	e.used.Store(now.UnixNano())
	e.touched.Store(now.UnixNano())
	if _, replaced := c.records.Swap(r.ID, e); !replaced && c.size.Add(1) > cacheSize {
		c.evict(now)
	}
}

// usedSince counts the records that were used since then.
func (c *cache) usedSince(then time.Time) (count int64) {
	c.records.Range(func(_, v any) bool {
		if v.(*cached).used.Load() >= then.UnixNano() {
			count++
		}
		return true
	})
	return count
}

// generation is to be read before a record is fetched.
func (c *cache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drops
}

// putIfUnchanged keeps a fetched record unless any record was dropped since the
// generation was read: it might have been this one.
func (c *cache) putIfUnchanged(r *Record, now time.Time, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops == generation {
		c.store(r, now)
	}
}

// drop forgets a record that has changed: also what is being fetched.
func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	c.remove(id)
}

// clear forgets all records: drops may have been missed.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	c.records.Clear()
	c.size.Store(0)
}

// remove forgets a record; mu need not be held.
func (c *cache) remove(id string) {
	if _, had := c.records.LoadAndDelete(id); had {
		c.size.Add(-1)
	}
}

// evict makes room: first what was not used for long, then whatever comes.
func (c *cache) evict(now time.Time) {
	oldest := now.Add(-cacheUnused).UnixNano()
	c.records.Range(func(id, v any) bool {
		if v.(*cached).used.Load() < oldest {
			c.remove(id.(string))
		}
		return true
	})
	c.records.Range(func(id, _ any) bool {
		if c.size.Load() <= cacheSize*3/4 {
			return false
		}
		c.remove(id.(string))
		return true
	})
}
