// Package edge is what every request passes before it means anything: one
// middleware per file, each a plain func(http.Handler) http.Handler, and the
// HTTP server's limits.
//
// The order they are made for, outermost first:
//
//	AccessLog        one record per request, rejected ones included
//	Recover          a panic becomes a 500 that the record above shows
//	SecurityHeaders  on every answer
//	AllowHosts       before anything is said to a page that rebound its name
//	CORS             its headers stand on the errors of everything below
//	CheckOrigin      asks CORS's verdict
//	LimitBody        sets the limits; the body itself is read after authentication
//
// Trust boundary: everything in a request is a stranger's. Nothing of it is
// logged but the method, the path (cut), and a well-formed request id;
// never a query, a header or a body.
package edge

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Middleware wraps a handler.
type Middleware = func(http.Handler) http.Handler

// WriteError answers with the one shape that all errors outside JSON-RPC have.
// The code is for programs (RFC 6749's, where one fits), the description is
// for people; both must be free of what the requester must not learn.
func WriteError(w http.ResponseWriter, status int, code, description string) {
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
	if err != nil {
		panic(err) // cannot happen: strings
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has left: nobody to tell
}

// WriteUnavailable is WriteError for what passes by itself: 503, with the time
// after which another try makes sense.
func WriteUnavailable(w http.ResponseWriter, retryAfter time.Duration, description string) {
	setRetryAfter(w, retryAfter)
	WriteError(w, http.StatusServiceUnavailable, "temporarily_unavailable", description)
}

// WriteTooManyRequests is WriteError for 429.
func WriteTooManyRequests(w http.ResponseWriter, retryAfter time.Duration, description string) {
	setRetryAfter(w, retryAfter)
	WriteError(w, http.StatusTooManyRequests, "slow_down", description)
}

// setRetryAfter rounds up to the header's whole seconds.
func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
}
