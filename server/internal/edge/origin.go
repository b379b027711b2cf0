package edge

import (
	"net/http"
	"net/url"
	"strings"
)

// CheckOrigin refuses requests that a web page of another origin makes, whatever
// their protocol revision. A browser keeps such a page from reading an answer,
// not from causing effects; only the server can refuse. Requests without an
// Origin are not from pages.
//
// It stands inside [CORS], whose verdict on the origin it finds in the answer's
// headers.
func CheckOrigin(publicURL string) Middleware {
	public := ""
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" { // checked by the configuration
		public = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if origins := r.Header["Origin"]; len(origins) > 0 &&
				w.Header().Get("Access-Control-Allow-Origin") == "" &&
				(len(origins) > 1 || !sameOrigin(origins[0], public, r.Host)) {
				WriteError(w, http.StatusForbidden, "invalid_origin",
					"requests from pages of this origin are not allowed; the server's operator can allow it with CORS_ALLOW_ORIGINS")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// sameOrigin reports whether origin is the server's own: the public one, or the
// host of the request, which AllowHosts has checked. TLS ends before this
// server, so the scheme is taken for https, or anything on loopback.
func sameOrigin(origin, public, host string) bool {
	if public != "" && strings.EqualFold(origin, public) {
		return true
	}
	scheme, rest, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(rest, host) && (scheme == "https" || scheme == "http" && isLoopback(host))
}
