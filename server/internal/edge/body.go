package edge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// MaxBody is the largest body that is read: 4 MiB.
	MaxBody = 4 << 20
	// bodyTime is how long a client may take to send it.
	bodyTime = 30 * time.Second
)

// LimitBody bounds a body's size and the time it may take. One that is
// announced too large is refused here; one that turns out too large fails in
// the reader with an error for which [WriteBodyError] has the answer.
func LimitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxBody {
			writeTooLarge(w)
			return
		}
		if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
			control := http.NewResponseController(w)
			// Where the connection has no deadlines (in tests), the size still counts.
			_ = control.SetReadDeadline(time.Now().Add(bodyTime))
			r.Body = &limitedBody{http.MaxBytesReader(w, r.Body, MaxBody), control}
		}
		next.ServeHTTP(w, r)
	})
}

// limitedBody lifts the deadline at the body's end: the server goes on reading
// from the connection to notice that the client leaves, and a deadline would
// look like that.
type limitedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// WriteBodyError answers for an error met while reading a body.
func WriteBodyError(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeTooLarge(w)
		return
	}
	WriteError(w, http.StatusBadRequest, "invalid_request", "the body could not be read to its end")
}

func writeTooLarge(w http.ResponseWriter) {
	w.Header().Set("Connection", "close") // what is still coming is not worth reading
	WriteError(w, http.StatusRequestEntityTooLarge, "invalid_request", fmt.Sprintf("the body is larger than %d bytes", MaxBody))
}
