package peer

import (
	"io"
	"net/http"
	"strconv"
)

// floor answers a POST with its own bytes.
func floor() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		header := w.Header()
		header["Content-Type"] = []string{"application/json"}
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
		_, _ = w.Write(body) // a client that left is no concern of a measurement
	})
}
