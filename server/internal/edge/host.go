package edge

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// HostSources are where a replica's own names come from; each may be empty.
type HostSources struct {
	ListenAddr string   // adds the loopback names when it is a loopback address
	PublicURL  string   // its host
	Allowed    []string // names or name:port, as the operator wrote them

	// What Azure Container Apps sets: the app's name and the environment's
	// domain make the app's host; the hostname is the revision's own.
	AppName, AppHostname, AppDNSSuffix string
}

// Names returns the hosts that requests may be for. A name without a port
// stands for any port: rebinding is a matter of names.
func (s HostSources) Names() []string {
	var names []string
	add := func(name string) {
		if name != "" {
			names = append(names, strings.ToLower(name))
		}
	}
	if IsLoopback(s.ListenAddr) {
		names = append(names, "localhost", "127.0.0.1", "[::1]")
	}
	if u, err := url.Parse(s.PublicURL); err == nil { // checked by the configuration
		add(u.Host)
	}
	for _, name := range s.Allowed {
		add(name)
	}
	add(s.AppHostname)
	if s.AppName != "" && s.AppDNSSuffix != "" {
		add(s.AppName + "." + s.AppDNSSuffix)
	}
	return names
}

// IsLoopback reports whether a host, with or without a port, is this machine only.
func IsLoopback(hostport string) bool {
	host := stripPort(hostport)
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// AllowHosts refuses requests for other hosts than names, so that a web page
// cannot reach the server by pointing a name of its own at it (DNS rebinding).
// The exempt paths are open to any: probes come by address.
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
			if !allowed[r.Host] && !allowed[strings.ToLower(r.Host)] && !allowed[strings.ToLower(stripPort(r.Host))] && !open[r.URL.Path] {
				WriteError(w, http.StatusForbidden, "invalid_host",
					"this server is not meant to be reached by that host name; its operator can allow it with ALLOWED_HOSTS")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// stripPort returns a Host without its port, an IPv6 address still in brackets.
func stripPort(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return host // there is no port
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}
