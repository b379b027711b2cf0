package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// Recover turns a panic into a 500 with an id, under which the log has the
// stack. Where an answer had begun already, the connection is aborted instead:
// a client must not take half an answer for a whole one.
func Recover(logger *slog.Logger) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) { // not an accident: net/http's way to hang up
					panic(cause)
				}
				id := RequestID(w)
				logger.LogAttrs(r.Context(), slog.LevelError, "panic",
					slog.String("request_id", id),
					slog.String("panic", fmt.Sprint(cause)),
					slog.String("stack", string(debug.Stack())))
				if rec := recordOf(w); rec != nil && rec.status != 0 {
					panic(http.ErrAbortHandler)
				}
				WriteError(w, http.StatusInternalServerError, "server_error",
					"internal error; the server's log has it under request id "+id)
			}()
			next.ServeHTTP(w, r)
		})
	}
}
