// Package standin is the far side for this module's tests: a small MCP server
// behind a token check, and an Entra that issues tokens for it, both on
// loopback with TLS.
//
// They are deliberately breakable ([Server.Break]): most tests are about what
// the smoke client says when something is wrong. The product's server is not
// used, because the client has to be tested against what a server may do, not
// only against what ours does.
package standin

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
)

// The identities that the stand-ins agree on.
const (
	TenantID     = "11111111-1111-1111-1111-111111111111"
	ClientID     = "22222222-2222-2222-2222-222222222222"
	ClientSecret = "stand-in~secret<&>\"value"
	ServerAppID  = "33333333-3333-3333-3333-333333333333"
	Role         = "Mcp.Invoke"
	Build        = "0123abcd"
)

// Test is the part of a test that ends the stand-ins with it.
type Test interface{ Cleanup(func()) }

// signingKey makes the tokens of this Entra recognisable to this server.
var signingKey = []byte("a key that only the stand-ins know")

// faults is the set of things that are currently broken.
type faults struct {
	mu  sync.Mutex
	set map[string]bool
}

// Break turns faults on; the names are the ones asked for with broken.
func (f *faults) Break(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == nil {
		f.set = map[string]bool{}
	}
	for _, name := range names {
		f.set[name] = true
	}
}

// Mend turns all faults off.
func (f *faults) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = nil
}

func (f *faults) broken(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set[name]
}

// startTLS starts a server that keeps quiet about clients that hang up. ready
// is told its address before the first request can come.
func startTLS(h http.Handler, ready func(url string)) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	ready("https://" + s.Listener.Addr().String())
	s.StartTLS()
	return s
}

// certificatePEM is the authority that a client has to trust for s. Every
// server of package httptest uses the same one.
func certificatePEM(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
