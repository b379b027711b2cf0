package edge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// NewServer returns an HTTP server with limits for the Internet and none that
// would cut a stream: whoever streams sets a deadline per write in place of
// WriteTimeout, and there is no ReadTimeout ([LimitBody] has its own).
func NewServer(ctx context.Context, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		// For plain answers: a client that does not read must not keep us for ever.
		WriteTimeout: 2 * time.Minute,
		// Longer than the 240 s of Azure's ingress: if the server closed a kept
		// connection first, it could meet a request that is on its way.
		IdleTimeout: 5 * time.Minute,
		// A token with many roles is some kilobytes; what is larger than this
		// gets 431 before any of our code.
		MaxHeaderBytes: 128 << 10,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
