package main

import (
	"log/slog"
	"net/http"

	"github.com/prynai/prynai-mcp/server/internal/auth"
	"github.com/prynai/prynai-mcp/server/internal/edge"
	"github.com/prynai/prynai-mcp/server/internal/landing"
)

// routes is the way of a request, from the outside in.
func (s *service) routes() (http.Handler, error) {
	cors, err := edge.CORS(s.config.CORSAllowOrigins)
	if err != nil {
		return nil, err
	}
	page, err := landing.New(landing.Options{
		BaseURL:     s.config.BaseURL(),
		Environment: s.config.Environment,
		Build:       s.config.Build,
		Auth:        s.config.AuthRequired,
	})
	if err != nil {
		return nil, err
	}
	probes := []string{"/livez", "/readyz"}

	mux := http.NewServeMux()
	// Health is open: a probe has no token.
	mux.HandleFunc("GET /livez", s.health.Livez)
	mux.HandleFunc("GET /readyz", s.health.Readyz)
	mux.HandleFunc("GET /healthz", s.health.Healthz)
	// So is the metadata: it tells how to get a token (RFC 9728).
	mux.Handle("GET /.well-known/oauth-protected-resource", auth.Metadata(s.config))
	mux.Handle("GET /.well-known/oauth-protected-resource/mcp", auth.Metadata(s.config))
	// And so is the page for whoever opens the server's address in a browser.
	mux.Handle("GET /{$}", page)
	mux.Handle("/mcp", chain(s.mcp,
		s.authenticate, // who calls is known before a byte of the body is read
		annotate,       // and stands in the request's record from here on
		s.limitRate,    // a flood is turned away before it costs anything
	))

	pattern := func(r *http.Request) string {
		_, pattern := mux.Handler(r)
		return pattern
	}
	return chain(mux,
		s.telemetry.HTTP(pattern, append(probes, "/healthz")...),                // outermost: the request's record names its trace; passes on where there is no collector
		edge.AccessLog(s.log, probes...),                                        // before all else: rejected requests are recorded too
		edge.Recover(s.log),                                                     // a panic becomes a 500 in that record
		edge.SecurityHeaders(!s.config.OnLoopback()),                            // on every answer, errors included
		edge.AllowHosts(s.config.AllowedHosts(), append(probes, "/healthz")...), // before anything is told to a page that rebound its name
		cors,                                 // its headers stand on the errors of all below
		edge.CheckOrigin(s.config.BaseURL()), // a foreign page gets no further, with or without a token
		edge.LimitBody,                       // a limit for whoever reads the body, and how long that may take
	), nil
}

// authenticate puts the principal into the request, or answers it.
func (s *service) authenticate(next http.Handler) http.Handler {
	if s.verifier == nil {
		return auth.Open(next)
	}
	return s.verifier.Middleware(next)
}

// annotate names the principal in the request's record.
func annotate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edge.Annotate(w, slog.String("principal", auth.ID(r.Context())))
		next.ServeHTTP(w, r)
	})
}

// chain wraps a handler so that the first middleware is the outermost.
func chain(h http.Handler, middlewares ...edge.Middleware) http.Handler {
	for i := len(middlewares) - 1; i >= 0; i-- {
		h = middlewares[i](h)
	}
	return h
}
