package redis

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/prynai/prynai-mcp/server/internal/rawconn"
)

// dial is rueidis's own, over a [rawconn]: the dialer's timeout is for all of
// it, and the server's name is already in the configuration.
func dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c = rawconn.New(c)
	if config == nil {
		return c, nil
	}
	secured := tls.Client(c, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = c.Close() // the handshake's error says more
		return nil, err
	}
	return secured, nil
}
