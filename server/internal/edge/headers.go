package edge

import "net/http"

// SecurityHeaders sets what makes a browser treat answers as data. strictTLS
// adds the demand to come by HTTPS only; not for a host that is also served in
// the clear, such as localhost. A handler that serves a page replaces the
// Content-Security-Policy by its own.
func SecurityHeaders(strictTLS bool) Middleware {
	// The slices are shared by all answers: they have no spare capacity, so
	// that an Add somewhere copies instead of writing into them.
	var (
		nosniff         = []string{"nosniff"}
		referrer        = []string{"no-referrer"}
		csp             = []string{"default-src 'none'; frame-ancestors 'none'"}
		strictTLSPolicy = []string{"max-age=31536000"}
	)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h["X-Content-Type-Options"] = nosniff
			h["Referrer-Policy"] = referrer
			h["Content-Security-Policy"] = csp
			if strictTLS {
				h["Strict-Transport-Security"] = strictTLSPolicy
			}
			next.ServeHTTP(w, r)
		})
	}
}
