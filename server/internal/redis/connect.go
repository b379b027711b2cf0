package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

var errNotYet = errors.New("not connected yet")

func newClient(option rueidis.ClientOption, logger *slog.Logger) *Client {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{option: option, stop: stop}
	c.health.Store(&health{errNotYet})
	c.connections.Store(c.disconnected())
	c.done.Go(func() { c.keep(ctx, logger) })
	return c
}

// disconnected returns connections whose every command fails with the reason
// that there is no contact.
func (c *Client) disconnected() *connections {
	option := rueidis.ClientOption{
		InitAddress:       []string{"nowhere"},
		ForceSingleClient: true,
		DisableCache:      true,
		DisableRetry:      true,
		DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			// Contact may have been made since somebody took these connections.
			return nil, cmp.Or(c.Health(), errNotYet)
		},
	}
	// A forced single client is returned although it could not connect.
	client, _ := rueidis.NewClient(option)
	return &connections{client, client}
}

// keep makes the first contact, then watches over it.
func (c *Client) keep(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for connected := false; ; {
		var err error
		if !connected {
			err = c.connect()
			connected = err == nil
		} else {
			err = c.ping(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		before := c.health.Swap(&health{err}).err
		switch {
		case err == nil && before != nil:
			logger.Info("redis answers", "address", c.option.InitAddress[0])
		case err != nil && (before == nil || reason(before) != reason(err)):
			logger.Warn("redis does not answer", "address", c.option.InitAddress[0], "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// connect replaces the disconnected clients by real ones.
func (c *Client) connect() error {
	option := c.option
	option.ForceSingleClient = true
	commands, err := newConnection(option)
	if err != nil {
		return err
	}
	cluster, err := redirects(commands)
	if cluster || err != nil {
		commands.Close()
	}
	if cluster {
		option.ForceSingleClient = false
		commands, err = newConnection(option)
	}
	if err != nil {
		return err
	}
	option.DisableRetry = true    // see Client: whoever receives must know of the gap
	option.PipelineMultiplex = -1 // one connection
	messages, err := newConnection(option)
	if err != nil {
		commands.Close()
		return err
	}
	c.connections.Swap(&connections{commands, messages}).close()
	return nil
}

func newConnection(option rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(option)
	if err != nil && client != nil {
		client.Close()
	}
	return client, err
}

// redirects reports whether the server sends some keys elsewhere. It is asked
// for several, spread over the slots; asking whether it is a cluster is no use,
// since a proxy in front of one may say yes and still serve every key itself. A
// cluster of a single node passes for no cluster, until it grows and the replica
// is restarted.
func redirects(client rueidis.Client) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	probes := make([]rueidis.Completed, 16)
	for i := range probes {
		probes[i] = client.B().Exists().Key("prynai:probe:" + strconv.Itoa(i)).Build()
	}
	for _, result := range client.DoMulti(ctx, probes...) {
		err := result.Error()
		if reply, ok := rueidis.IsRedisErr(err); ok {
			if _, moved := reply.IsMoved(); moved {
				return true, nil
			}
		}
		if err != nil {
			return false, fmt.Errorf("first command: %w", err)
		}
	}
	return false, nil
}

// ping asks Redis for a sign of life.
func (c *Client) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	return c.Do(ctx, c.B().Ping().Build()).Error()
}

// reason returns the innermost text of an error: the same for the same cause,
// since it leaves out the local port of each attempt and how silence was found.
func reason(err error) string {
	if isTimeout(err) {
		return "silence"
	}
	for {
		switch e := err.(type) { //nolint:errorlint // this is the unwrapping
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				err = inner
				continue
			}
		case interface{ Unwrap() []error }:
			if inner := e.Unwrap(); len(inner) > 0 {
				err = inner[len(inner)-1]
				continue
			}
		}
		return err.Error()
	}
}
