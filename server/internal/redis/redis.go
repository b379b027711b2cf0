// Package redis is the one way to a Redis client: where the server is, how it
// is trusted, how long it may stay silent, and what its absence looks like.
//
// [Open] never waits for Redis. A [Client] can be used at once; until the
// first contact, and whenever Redis is away later, every command fails fast
// with [ErrUnavailable]. A Redis that is silent (paused, or cut off without a
// reset) is noticed within 1.5 s, and one that is back is used again within
// 2 s. No write is ever repeated: a write whose answer was lost is an error.
// Reads are repeated where a connection was found closed.
//
// Commands are always built as for a cluster, on a single server too: one
// command's keys must share a hash slot, or building it panics. So a missing
// {tag} fails in the first test, not on the first real cluster.
//
// Whether the server is a single one or a node of a cluster is found out at the
// first contact: who answers for all keys is taken for a single server, and so
// are the proxies of managed services that hide their nodes.
//
// Trust boundary: Redis and its answers are trusted; the network to it is not
// (use TLS). No error or log record of this package holds a password.
package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/redis/rueidis"
)

// ErrUnavailable is the error of every command that Redis did not answer, or
// answered with a state that passes (loading, failing over, out of memory).
// Whether a write took effect is then not known.
var ErrUnavailable = errors.New("redis is unavailable")

// The limits of silence. A command on an idle connection is given up after
// silence, one in a busy pipeline after a ping was due and went unanswered:
// 2*pingAfter + silence in all.
const (
	silence    = time.Second
	pingAfter  = 250 * time.Millisecond
	checkEvery = 500 * time.Millisecond
)

// Options says which Redis to use.
type Options struct {
	Address  string // host:port; of any one node, if it is a cluster
	Username string // may be empty
	Password string // may be empty
	Database int
	TLS      bool
	// TLSRoots are the authorities to trust; nil means the system's.
	TLSRoots *x509.CertPool
	// Logger is told when Redis goes away and when it is back; nil is silent.
	Logger *slog.Logger
}

// Open returns a client. It does not fail: reaching the server is tried in the
// background for as long as the client is open.
func Open(o Options) *Client {
	option := clientOption()
	option.InitAddress = []string{o.Address}
	option.Username = o.Username
	option.Password = o.Password
	option.SelectDB = o.Database
	if o.TLS {
		host, _, err := net.SplitHostPort(o.Address)
		if err != nil {
			host = o.Address // dialling it will say what is wrong
		}
		option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: o.TLSRoots}
	}
	return newClient(option, o.Logger)
}

// clientOption is what every client has in common.
func clientOption() rueidis.ClientOption {
	return rueidis.ClientOption{
		DialCtxFn:        dial,
		Dialer:           net.Dialer{Timeout: silence, KeepAlive: pingAfter},
		ConnWriteTimeout: silence,
		RetryDelay:       retryDelay,
		// Client-side caching needs CLIENT TRACKING, which the embedded Redis
		// lacks and managed ones may refuse.
		DisableCache: true,
		// The library's 512 KiB each way are for bulk loading.
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		ClusterOption:       rueidis.ClusterOption{MaxMovedRedirections: 8},
	}
}

// retryDelay is asked before a read is repeated. A closed connection is worth
// another try; silence is not, since the caller has waited long enough.
func retryDelay(attempts int, _ rueidis.Completed, err error) time.Duration {
	const never = -1
	if attempts > 2 || isTimeout(err) {
		return never
	}
	return time.Duration(attempts) * 10 * time.Millisecond
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout()
}
