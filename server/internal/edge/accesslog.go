package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// statusClientLeft is logged for a request whose client left before the
// answer; nginx's number, known to those who read logs.
const statusClientLeft = 499

// AccessLog writes one record per request when it ends: at debug level for the
// paths in quiet, such as probes, else at info level. It gives each request an
// id, or keeps the one that the ingress gave it, and answers with it in
// X-Request-Id.
func AccessLog(logger *slog.Logger, quiet ...string) Middleware {
	ids := newIDs()
	silent := make(map[string]bool, len(quiet))
	for _, path := range quiet {
		silent[path] = true
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := &record{ResponseWriter: w, start: time.Now(), id: ids.of(r)}
			rec.attrs, rec.header[0] = rec.room[:0], rec.id
			w.Header()["X-Request-Id"] = rec.header[:]
			defer func() { // a panic that means "abort" passes through here
				level := slog.LevelInfo
				if silent[r.URL.Path] {
					level = slog.LevelDebug
				}
				rec.log(r.Context(), logger, level, r)
			}()
			next.ServeHTTP(rec, r)
		})
	}
}

// A record sees what is answered. It is found through the chain of
// ResponseWriters, which costs a request nothing, unlike a context's value.
type record struct {
	http.ResponseWriter
	start  time.Time
	id     string
	status int
	bytes  int64
	attrs  []slog.Attr
	room   [2]slog.Attr // for attrs, as a rule
	header [1]string    // the id, as an answer's header has it
}

func (rec *record) WriteHeader(status int) {
	if rec.status == 0 && status >= 200 { // 1xx are not the answer yet
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *record) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.bytes += int64(n)
	return n, err
}

// Flush is for those who look for an http.Flusher.
func (rec *record) Flush() { _ = http.NewResponseController(rec.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (rec *record) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

func (rec *record) log(ctx context.Context, logger *slog.Logger, level slog.Level, r *http.Request) {
	if !logger.Enabled(ctx, level) {
		return
	}
	status, left := rec.status, errors.Is(ctx.Err(), context.Canceled)
	switch {
	case status == 0 && left:
		status = statusClientLeft
	case status == 0:
		status = http.StatusOK // net/http's own default
	}
	// Not through the logger's methods: they look for their caller, which is
	// always this line, and that takes as long as writing the record.
	line := slog.NewRecord(time.Now(), level, "request", 0)
	attrs := append(make([]slog.Attr, 0, 10),
		slog.String("method", shorten(r.Method, 16)),
		slog.String("path", shorten(r.URL.Path, 128)),
		slog.Int("status", status),
		slog.Int64("bytes", rec.bytes),
		slog.Float64("duration_ms", float64(time.Since(rec.start).Microseconds())/1000),
		slog.String("request_id", rec.id),
	)
	if left && status != statusClientLeft {
		attrs = append(attrs, slog.Bool("client_left", true)) // in the middle of a stream
	}
	line.AddAttrs(append(attrs, rec.attrs...)...)
	_ = logger.Handler().Handle(ctx, line) // as the logger's methods do: a log that cannot be written has no reader
}

func shorten(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

// Annotate adds to the request's record what only an inner layer knows, such as
// the principal. It must not be called after the handler has returned.
func Annotate(w http.ResponseWriter, attrs ...slog.Attr) {
	if rec := recordOf(w); rec != nil {
		rec.attrs = append(rec.attrs, attrs...)
	}
}

// RequestID returns the id of the request that w answers, or "".
func RequestID(w http.ResponseWriter) string {
	if rec := recordOf(w); rec != nil {
		return rec.id
	}
	return ""
}

func recordOf(w http.ResponseWriter) *record {
	for {
		switch v := w.(type) {
		case *record:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// ids makes request ids that are unique across replicas and cheap.
type ids struct {
	prefix string
	last   atomic.Uint64
}

func newIDs() *ids { return &ids{prefix: rand.Text()[:12] + "-"} }

func (i *ids) of(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && wellFormedID(given[0]) {
		return given[0]
	}
	return i.prefix + strconv.FormatUint(i.last.Add(1), 36)
}

// wellFormedID keeps a stranger from writing what it likes into our log.
func wellFormedID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
