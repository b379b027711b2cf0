package edge

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// isLoopback reports whether a host, with or without a port, is this machine only.
func isLoopback(hostport string) bool {
	host := hostname(hostport)
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// AllowHosts refuses requests for other hosts than names, so that a web page
// cannot reach the server by pointing a name of its own at it (DNS rebinding).
// The names are lower-case and without port, since rebinding is a matter of
// names. The exempt paths are open to any: probes come by address.
func AllowHosts(names []string, exempt ...string) Middleware {
	allowed := make(map[string]bool, len(names))
	for _, name := range names {
		allowed[name] = true
	}
	open := make(map[string]bool, len(exempt))
	for _, path := range exempt {
		open[path] = true
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !allowed[strings.ToLower(hostname(r.Host))] && !open[r.URL.Path] {
				WriteError(w, http.StatusForbidden, "invalid_host",
					"this server is not meant to be reached by that host name; its operator can allow it with ALLOWED_HOSTS")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// hostname returns a Host without its port and, if an IPv6 address, its brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]") // there is no port
}
