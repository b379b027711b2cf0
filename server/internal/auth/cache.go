package auth

import (
	"sync"
	"time"
)

// maxVerified bounds the cache: about a kilobyte each.
const maxVerified = 10_000

// cache remembers tokens that were found valid, by hash, until they expire. Only tokens that the
// authority signed and that this server accepts get in, so strangers cannot fill it.
type cache struct {
	mu      sync.RWMutex
	entries map[digest]verified
}

type digest [32]byte

type verified struct {
	principal *Principal
	expires   time.Time
}

func newCache() *cache { return &cache{entries: map[digest]verified{}} }

func (c *cache) get(key digest) *Principal {
	c.mu.RLock()
	entry, found := c.entries[key]
	c.mu.RUnlock()
	if !found || time.Now().After(entry.expires) {
		return nil
	}
	return entry.principal
}

func (c *cache) put(key digest, entry verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxVerified {
		c.makeRoom()
	}
	c.entries[key] = entry
}

// makeRoom drops what has expired, and then whatever comes first until an eighth is free, so that a full
// cache is not searched again for each token. A token that is dropped is verified anew.
func (c *cache) makeRoom() {
	now := time.Now()
	for key, entry := range c.entries {
		if now.After(entry.expires) {
			delete(c.entries, key)
		}
	}
	for key := range c.entries {
		if len(c.entries) <= maxVerified-maxVerified/8 {
			return
		}
		delete(c.entries, key)
	}
}
