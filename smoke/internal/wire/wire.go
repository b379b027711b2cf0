// Package wire is the smoke client's way onto the network: one HTTP client for
// the server and for Entra.
//
// It does not use proxies, whatever HTTP_PROXY, HTTPS_PROXY and ALL_PROXY say:
// the point is to prove the way to the server, and a proxy on that way
// answers in the server's place. A refusal becomes an error of type
// [*Refusal] that keeps what the far side said, because libraries above tend
// to reduce it to "request failed".
//
// Trust boundary: what a far side says is cut to a few kilobytes.
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// refusalLimit bounds how much of an error body is kept.
const refusalLimit = 4 << 10

// NewTransport returns a transport that trusts roots (nil: the system's) and
// knows no proxy. Answers that stream stay open as long as the caller's
// context does, so only the way up to the connection has limits of its own.
func NewTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               nil,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
	}
}

// Bearer is a round tripper that sends a token with every request to one host,
// and turns an answer of 300 and above into a [*Refusal]. Redirects are refused
// too: followed, they would carry the token wherever a far side points.
//
// The token is added here, beneath the MCP library, so that each of its
// requests carries it: the library's own DELETE at the end of a session, for
// one, leaves out the headers that it was given.
type Bearer struct {
	Host  string
	Token string // empty: no Authorization header
	Next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b *Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.Token != "" && r.URL.Host == b.Host {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.Token)
	}
	resp, err := b.Next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(r, resp)
	}
	return resp, nil
}

// Refusal is an HTTP answer of 300 or above.
type Refusal struct {
	Method, Path string
	Status       int
	Code         string // the body's "error", if it is an OAuth or JSON-RPC error
	Description  string // what the far side said, one line
	RetryAfter   string
	Location     string
}

func (e *Refusal) Error() string {
	s := fmt.Sprintf("%s %s answered %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Description != "" {
		s += ": " + e.Description
	}
	return s
}

func refusal(r *http.Request, resp *http.Response) *Refusal {
	body, err := io.ReadAll(io.LimitReader(resp.Body, refusalLimit))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	e := &Refusal{
		Method: r.Method, Path: r.URL.Path, Status: resp.StatusCode,
		RetryAfter: resp.Header.Get("Retry-After"),
		Location:   resp.Header.Get("Location"),
	}
	e.Code, e.Description = describe(body)
	if err != nil && e.Description == "" {
		e.Description = "the body could not be read: " + err.Error()
	}
	return e
}

// describe finds the words in an error body: OAuth's error and
// error_description, JSON-RPC's error.message, or the text as it is.
func describe(body []byte) (code, description string) {
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var rpc struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	switch {
	case json.Unmarshal(body, &oauth) == nil && oauth.Error != "":
		if oauth.Description == "" {
			return oauth.Error, oauth.Error
		}
		return oauth.Error, oneLine(oauth.Description)
	case json.Unmarshal(body, &rpc) == nil && rpc.Error.Message != "":
		return "", oneLine(rpc.Error.Message)
	default:
		return "", oneLine(string(body))
	}
}

func oneLine(s string) string {
	const limit = 300
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

// Get fetches a small document.
func Get(ctx context.Context, rt http.RoundTripper, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	return body, err
}
