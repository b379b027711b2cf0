package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A Client is a [rueidis.Client] that can be had before Redis is there, whose
// errors say when Redis is the cause, and that knows how Redis is doing.
//
// Commands built with B are sent once. Receive has a connection of its own, so
// that a flood of messages delays no reply, and returns when that connection
// is lost: the caller decides when to subscribe anew, and knows that it may
// have missed something. On a cluster, messages published one after the other
// may arrive in another order, since each enters at any node.
type Client struct {
	connections atomic.Pointer[connections]
	health      atomic.Pointer[health]

	option rueidis.ClientOption
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// connections are the clients underneath, replaced once: at the first contact.
type connections struct {
	commands, messages rueidis.Client
}

func (c *connections) close() {
	c.commands.Close()
	c.messages.Close()
}

type health struct{ err error }

var _ rueidis.Client = (*Client)(nil)

// Health returns nil if Redis answered lately, or why it did not. It never
// waits: the state is at most two seconds old.
func (c *Client) Health() error { return c.health.Load().err }

// Close ends the client; commands fail from then on.
func (c *Client) Close() {
	c.stop()
	c.done.Wait()
	c.connections.Load().close()
}

// B returns the builder for commands: a cluster's, whatever the server is.
func (c *Client) B() rueidis.Builder { return clusterBuilder() }

// Do sends one command.
func (c *Client) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	return checked(ctx, c.commands().Do(ctx, cmd))
}

// DoMulti sends several commands in one round trip; they are not atomic.
func (c *Client) DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult {
	results := c.commands().DoMulti(ctx, multi...)
	for i := range results {
		results[i] = checked(ctx, results[i])
	}
	return results
}

// Receive subscribes and calls fn for each message, until ctx is done or the
// connection is lost.
func (c *Client) Receive(ctx context.Context, subscribe rueidis.Completed, fn func(rueidis.PubSubMessage)) error {
	return transportError(ctx, c.connections.Load().messages.Receive(ctx, subscribe, fn))
}

// DoCache is Do: there is no client-side cache.
func (c *Client) DoCache(ctx context.Context, cmd rueidis.Cacheable, ttl time.Duration) rueidis.RedisResult {
	return checked(ctx, c.commands().DoCache(ctx, cmd, ttl))
}

// DoMultiCache is DoMulti: there is no client-side cache.
func (c *Client) DoMultiCache(ctx context.Context, multi ...rueidis.CacheableTTL) []rueidis.RedisResult {
	results := c.commands().DoMultiCache(ctx, multi...)
	for i := range results {
		results[i] = checked(ctx, results[i])
	}
	return results
}

// DoStream is rueidis's own, its errors included, as are the three below.
func (c *Client) DoStream(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResultStream {
	return c.commands().DoStream(ctx, cmd)
}

// DoMultiStream is rueidis's own.
func (c *Client) DoMultiStream(ctx context.Context, multi ...rueidis.Completed) rueidis.MultiRedisResultStream {
	return c.commands().DoMultiStream(ctx, multi...)
}

// Dedicated is rueidis's own.
func (c *Client) Dedicated(fn func(rueidis.DedicatedClient) error) error {
	return c.commands().Dedicated(fn)
}

// Dedicate is rueidis's own.
func (c *Client) Dedicate() (rueidis.DedicatedClient, func()) { return c.commands().Dedicate() }

// Nodes returns a client per known node.
func (c *Client) Nodes() map[string]rueidis.Client { return c.commands().Nodes() }

// Mode says whether a cluster was found.
func (c *Client) Mode() rueidis.ClientMode { return c.commands().Mode() }

func (c *Client) commands() rueidis.Client { return c.connections.Load().commands }

// checked turns the errors that mean "not now" into ErrUnavailable.
func checked(ctx context.Context, result rueidis.RedisResult) rueidis.RedisResult {
	if err := result.NonRedisError(); err != nil {
		return rueidis.NewErrorResult(transportError(ctx, err))
	}
	if reply, ok := rueidis.IsRedisErr(result.Error()); ok && passing(reply.Error()) {
		return rueidis.NewErrorResult(unavailable(reply))
	}
	return result
}

// transportError returns what to report when there was no answer. A caller who
// left by itself is told just that.
func transportError(ctx context.Context, err error) error {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return unavailable(err)
}

func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }

// passing reports whether an error reply describes a state of the server
// rather than a fault of the command.
func passing(reply string) bool {
	kind, _, _ := strings.Cut(reply, " ")
	switch kind {
	case "LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "READONLY", "BUSY", "MISCONF", "OOM", "NOREPLICAS":
		return true
	}
	return false
}
