// Package peer has the servers that this project's is measured against. Each is
// as small as its library lets it be, with no authentication and no Redis, and
// runs in a process of its own.
package peer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// The peers that are Go programs.
const (
	MCPGo = "mcp-go"   // the library that this project's server is made with
	GoSDK = "go-sdk"   // the official one
	Floor = "net/http" // what HTTP alone costs
)

var handlers = map[string]func() http.Handler{MCPGo: mcpGo, GoSDK: goSDK, Floor: floor}

// Serve runs a peer until ctx ends.
func Serve(ctx context.Context, name, address string) error {
	handler, ok := handlers[name]
	if !ok {
		return errors.New("there is no peer " + name)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve tells
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
