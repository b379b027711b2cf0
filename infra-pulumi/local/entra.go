package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

// role is what the server app grants to its clients, and demands.
const role = "Mcp.Invoke"

// entra is the stand-in for Entra ID: a tenant, the server's app, and one
// client with a secret that is made on the spot.
type entra struct {
	authority            string
	tenant, serverApp    string
	client, clientSecret string
	stop                 func()
}

func startEntra(ca *authority) (*entra, error) {
	config, err := ca.server()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the stand-in for Entra: %w", err)
	}
	e := &entra{
		authority: "https://" + listener.Addr().String(),
		tenant:    entratest.DefaultTenant,
		serverApp: entratest.DefaultServerAppID,
		client:    entratest.DefaultClientID, clientSecret: rand.Text(),
	}
	server := &http.Server{
		Handler: entratest.New(entratest.Options{
			Authority: e.authority, Tenant: e.tenant, ServerAppID: e.serverApp,
			Apps: []entratest.App{{ID: e.client, Secret: e.clientSecret, Roles: []string{role}}},
		}),
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends by stop alone
	e.stop = func() { _ = server.Close() }
	return e, nil
}
