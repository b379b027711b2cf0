package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// ingress is a balancer that is not sticky, whose replicas come and go, and
// that cuts every request after a limit, as that of Azure Container Apps does.
type ingress struct {
	*httptest.Server
	limit time.Duration

	mu     sync.Mutex
	routes []*route
	turn   int
}

// route leads to a replica.
type route struct {
	*replica
	proxy   *httputil.ReverseProxy
	running int // requests in flight
}

func startIngress(t testing.TB, limit time.Duration, replicas ...*replica) *ingress {
	in := &ingress{limit: limit}
	for _, r := range replicas {
		in.add(r)
	}
	in.Server = httptest.NewServer(in)
	t.Cleanup(func() {
		in.CloseClientConnections()
		in.Close()
	})
	return in
}

func (in *ingress) add(r *replica) {
	target := &url.URL{Scheme: "http", Host: r.Address}
	added := &route{replica: r, proxy: &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // replicas die all the time
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.routes = append(in.routes, added)
}

// remove takes a replica out; its requests in flight go on.
func (in *ingress) remove(r *replica) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.routes = slices.DeleteFunc(in.routes, func(to *route) bool { return to.replica == r })
}

func (in *ingress) begin() *route {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.routes) == 0 {
		return nil
	}
	in.turn++
	to := in.routes[in.turn%len(in.routes)]
	to.running++
	return to
}

func (in *ingress) end(to *route) {
	in.mu.Lock()
	defer in.mu.Unlock()
	to.running--
}

func (in *ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A reply may begin while the body is still being read, which the proxy
	// does not like.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), in.limit)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	to := in.begin()
	if to == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer in.end(to)
	to.proxy.ServeHTTP(w, r)
}

// running is how many requests a replica has in flight.
func (in *ingress) running(r *replica) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, to := range in.routes {
		if to.replica == r {
			return to.running
		}
	}
	return 0
}
