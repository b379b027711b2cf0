package redis

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"
)

// Embedded is a Redis inside this process. It listens nowhere and keeps
// nothing: it is for a single replica on a developer's machine, and for tests
// (in a testing/synctest bubble too, if it was made in there).
type Embedded struct{ server *miniredis.Miniredis }

// NewEmbedded starts one. Close it after its clients.
func NewEmbedded() *Embedded {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true) // else keys would only expire when told to
	return &Embedded{server}
}

// Client returns a client of its own.
func (e *Embedded) Client() *Client {
	return newClient(e.clientOption(), nil)
}

// Close ends it, and what it holds is gone.
func (e *Embedded) Close() { e.server.Close() }

func (e *Embedded) clientOption() rueidis.ClientOption {
	option := clientOption()
	option.InitAddress = []string{"embedded:0"}
	option.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		return e.server.Dial()
	}
	// The connection is an unbuffered pipe: writing and reading by turns could
	// block both ends, so the client must always do both at the same time.
	option.AlwaysPipelining = true
	return option
}

// clusterBuilder returns the command builder of a cluster client. The library
// hands one out only once it has seen a cluster, so it is shown an embedded
// one, which says it is one, for a moment.
var clusterBuilder = sync.OnceValue(func() rueidis.Builder {
	server := NewEmbedded()
	defer server.Close()
	option := server.clientOption()
	// A process that is paused or starved meanwhile has all the time it needs.
	option.ConnWriteTimeout, option.Dialer.Timeout = time.Hour, time.Hour
	client, err := rueidis.NewClient(option)
	if err != nil {
		panic("redis: no cluster from the embedded server: " + err.Error()) // cannot happen: all in memory
	}
	defer client.Close()
	return client.B()
})
