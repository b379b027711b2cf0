// Package ingress stands in for the ingress of Container Apps: it spreads
// requests over the ready replicas of a revision in turn, whichever session
// they belong to, and cuts each after 240 seconds.
//
// It passes on every byte of an answer as it comes, so that event streams flow.
// It takes the clients' word for nothing: the X-Forwarded headers are its own.
package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

const (
	// Timeout is Azure's: it cuts every request, also one that streams.
	Timeout = 240 * time.Second

	dialTimeout       = 5 * time.Second
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// Bodies up to this size are read before a request is passed on; see buffer.
	bufferLimit = 16 << 20
)

// Backends name the address for the next request to a port of the container,
// or say why there is none.
type Backends interface {
	Next(port int) (address string, err error)
}

// Ingress is the handler of both listeners.
type Ingress struct {
	timeout time.Duration
	current atomic.Pointer[route]
	proxy   *httputil.ReverseProxy
}

// route is where new requests go.
type route struct {
	to   Backends
	port int
}

// New makes an ingress that has nowhere to send requests yet.
func New(timeout time.Duration) *Ingress {
	i := &Ingress{timeout: timeout}
	i.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme = "http"
			p.Out.URL.Host = p.In.Context().Value(addressKey{}).(string)
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			DisableCompression:  true,
			MaxIdleConnsPerHost: 100,
			IdleConnTimeout:     idleTimeout,
		},
		FlushInterval: -1,
		ErrorHandler:  fail,
		// What goes wrong here is answered; the client that left needs no log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return i
}

// Route gives all new requests to a port of these backends. Those that run go
// on where they are.
func (i *Ingress) Route(to Backends, port int) { i.current.Store(&route{to, port}) }

type addressKey struct{}

// ServeHTTP passes a request on to the next replica.
func (i *Ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	current := i.current.Load()
	if current == nil {
		http.Error(w, "no revision takes requests yet", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), i.timeout)
	defer cancel()
	if err := buffer(r); err != nil {
		http.Error(w, "cannot read the request's body", http.StatusBadRequest)
		return
	}
	// As late as can be: a replica may leave while a body comes in.
	address, err := current.to.Next(current.port)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	i.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, addressKey{}, address)))
}

// buffer reads the body of a request before it is passed on. A replica that
// starts to stream its answer while the body still comes in would have the
// stream cut by net/http. It also lets a request be sent again whose kept-alive
// connection the replica has just closed.
func buffer(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, bufferLimit+1))
	if err != nil {
		return err
	}
	if len(head) > bufferLimit {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
		return nil
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(head)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength, r.TransferEncoding = int64(len(head)), nil
	return nil
}

// fail answers a request that got no answer from its replica.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		http.Error(w, "the ingress cut the request: no answer in time", http.StatusGatewayTimeout)
	case r.Context().Err() != nil: // the client left
	default:
		http.Error(w, fmt.Sprintf("the replica did not answer: %v", err), http.StatusBadGateway)
	}
}

// Server serves the ingress on a listener, with the timeouts that suit streams:
// none for the answer.
func (i *Ingress) Server() *http.Server {
	return &http.Server{
		Handler:           i,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		// TLS handshakes that clients give up for want of our certificate.
		ErrorLog: log.New(io.Discard, "", 0),
	}
}
