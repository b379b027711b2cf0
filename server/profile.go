//go:build profile

package main

import (
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux, which the server itself does not use
	"net/netip"
	"os"
	"time"
)

// In a build with the tag "profile", which the image is not, PPROF_ADDR is a
// loopback address where the process tells of itself, as go tool pprof asks.
func init() {
	address := os.Getenv("PPROF_ADDR")
	if address == "" {
		return
	}
	if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().IsLoopback() {
		log.Fatalf("PPROF_ADDR is %q, want a loopback address and port such as 127.0.0.1:6060: profiles show what the memory holds", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatalf("listen on PPROF_ADDR: %v", err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Print(server.Serve(listener)) }()
}
