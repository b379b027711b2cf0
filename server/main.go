// Command server is PrynAI MCP: an MCP server whose sessions any replica can
// carry on. It is configured by the environment alone; see package config.
//
// routes.go is the way of a request. run is the life of a process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/prynai/prynai-mcp/server/internal/config"
	"github.com/prynai/prynai-mcp/server/surface"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificates of its own
)

func main() { os.Exit(runUntilSignal(product)) }

func runUntilSignal(newSurface func(build string) mcpSurface) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, os.Getenv, os.Stdout, os.Stderr, newSurface)
}

// product is the surface of the product; tests serve others on the same
// transport.
func product(build string) mcpSurface { return surface.New(build) }

// run serves until ctx ends, then drains. Its exit codes: 0 after a drain, 1
// for a failure, 2 for a wrong configuration.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer, newSurface func(build string) mcpSurface) int {
	c, err := config.Load(getenv)
	if err != nil {
		var problems config.Problems
		if errors.As(err, &problems) {
			fmt.Fprintf(stderr, "The server did not start, for its configuration has problems:\n%v\n", problems)
		} else {
			fmt.Fprintf(stderr, "The server did not start: %v\n", err)
		}
		return 2
	}
	defer gatherGarbage()()
	listener, err := listen(&c)
	if err == nil {
		err = newService(c, stdout, newSurface(c.Build)).run(ctx, listener)
	}
	if err != nil {
		fmt.Fprintf(stderr, "The server failed: %v\n", err)
		return 1
	}
	return 0
}

// listen comes before all else: with port 0, what the server says of its own
// address depends on it.
func listen(c *config.Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", c.ListenAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on LISTEN_ADDR: %w", err)
	}
	if strings.HasSuffix(c.ListenAddr, ":0") {
		c.ListenAddr = listener.Addr().String()
	}
	return listener, nil
}
