package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// checker collects one problem per variable: the first that was found.
type checker struct {
	environment map[string]string
	problems    map[string]Problem
}

var (
	guid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hostName = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?$`)
)

// fail records a problem; without words about it, the variable's own value is shown.
func (f checker) fail(variable string, words ...string) {
	if _, known := f.problems[variable]; known {
		return
	}
	got := strings.Join(words, " ")
	if got == "" {
		got = nothing
		if value, set := f.environment[variable]; set {
			got = shown(value)
		}
	}
	i := slices.IndexFunc(variables, func(v Variable) bool { return v.Name == variable })
	f.problems[variable] = Problem{
		Variable: variable,
		Got:      got,
		Want:     variables[i].want,
		Example:  variable + "=" + variables[i].example,
	}
}

func (f checker) inOrder() Problems {
	var all Problems
	for _, v := range variables {
		if p, found := f.problems[v.Name]; found {
			all = append(all, p)
		}
	}
	return all
}

// unreadable takes over what env could not turn into the field's type. Its texts quote values, so they are not kept.
func (f checker) unreadable(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			panic(err) // a field of Config has a type or a tag that env does not know
		}
		i := slices.IndexFunc(variables, func(v Variable) bool { return v.field == parse.Name })
		var worded wordedError
		if errors.As(parse.Err, &worded) {
			f.fail(variables[i].Name, worded.Error())
		} else {
			f.fail(variables[i].Name)
		}
	}
}

func (f checker) check(c Config) {
	loopback := c.OnLoopback()
	if !validListenAddr(c.ListenAddr) {
		f.fail("LISTEN_ADDR")
		loopback = true // nothing else is wrong because of it
	}
	if c.PublicURL != "" && !validOrigin(c.PublicURL, true) {
		f.fail("PUBLIC_URL")
	}
	if c.BaseURL() == "" && !loopback {
		f.fail("PUBLIC_URL", "nothing, with LISTEN_ADDR", shown(c.ListenAddr))
	}
	if !all(c.ExtraHosts, validHost) {
		f.fail("ALLOWED_HOSTS")
	}
	if !slices.Equal(c.CORSAllowOrigins, []string{"*"}) && !all(c.CORSAllowOrigins, func(origin string) bool { return validOrigin(origin, false) }) {
		f.fail("CORS_ALLOW_ORIGINS")
	}
	if c.EmbeddedRedis() && !loopback {
		f.fail("REDIS_URL", "nothing, with LISTEN_ADDR", shown(c.ListenAddr))
	}
	f.checkAuth(c, loopback)
	if c.TLSCA != "" && certificates(c.TLSCA) == nil {
		f.fail("TLS_CA", "a text that is not only certificates")
	}
	// slog itself also reads "INFO+2", which nobody means here.
	if level, set := f.environment["LOG_LEVEL"]; set && !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(level)) {
		f.fail("LOG_LEVEL")
	}
	switch {
	case strings.ContainsAny(c.TelemetryEndpoint, "?#"):
		f.fail("OTEL_EXPORTER_OTLP_ENDPOINT", "a URL with a query or a fragment") // which may be a key
	case c.TelemetryEndpoint != "" && !validEndpoint(c.TelemetryEndpoint):
		f.fail("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if c.TelemetryEndpoint != "" && c.TelemetryProtocol != otlpProtocol {
		f.fail("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if share := c.TraceShare; !(share >= 0 && share <= 1) { // NaN is neither
		f.fail("OTEL_TRACES_SAMPLER_ARG")
	}
	const most = 100_000
	if c.RateLimit < 1 || c.RateLimit > most {
		f.fail("RATE_LIMIT")
	}
	if c.StreamLimit < 1 || c.StreamLimit > most {
		f.fail("STREAM_LIMIT")
	}
	if c.SessionIdle < time.Minute || c.SessionIdle > 7*24*time.Hour {
		f.fail("SESSION_IDLE")
	}
	if c.ShutdownGrace < time.Second || c.ShutdownGrace > 10*time.Minute {
		f.fail("SHUTDOWN_GRACE")
	}
}

func (f checker) checkAuth(c Config, loopback bool) {
	if !c.AuthRequired && !loopback {
		f.fail("AUTH_REQUIRED", "false, with LISTEN_ADDR", shown(c.ListenAddr), "(whoever reaches that address could call every tool)")
	}
	_, unreadable := f.problems["AUTH_REQUIRED"]
	required := c.AuthRequired || unreadable
	if c.TenantID == "" && required || c.TenantID != "" && !guid.MatchString(c.TenantID) {
		f.fail("ENTRA_TENANT_ID")
	}
	if len(c.Audiences) == 0 && required || !all(c.Audiences, validAudience) {
		f.fail("ENTRA_AUDIENCES")
	}
	if !all(c.RequiredScopes, noSpace) {
		f.fail("ENTRA_REQUIRED_SCOPES")
	}
	none := slices.Contains(c.RequiredAppRoles, noRoles)
	if !all(c.RequiredAppRoles, noSpace) || none && len(c.RequiredAppRoles)+len(c.RequiredScopes) > 1 {
		f.fail("ENTRA_REQUIRED_APP_ROLES")
	}
	if !validOrigin(c.Authority, true) {
		f.fail("ENTRA_AUTHORITY")
	}
}

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

func noSpace(s string) bool { return !strings.ContainsAny(s, " \t\r\n\"\\") }

// validAudience takes what Entra puts into aud: the app's id (v2 tokens) or its identifier URI (v1 tokens).
func validAudience(s string) bool {
	if guid.MatchString(s) {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && noSpace(s) && u.Scheme != "" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func validListenAddr(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" && !validPort(port) {
		return false
	}
	return host == "" || validHost(host)
}

func validHost(host string) bool { return hostName.MatchString(host) || net.ParseIP(host) != nil }

// validOrigin takes a scheme and a host, and a bare "/" at the end for people who copy from a browser. A browser's
// Origin may be http; where we are the ones to trust the origin, http is for loopback.
func validOrigin(s string, secure bool) bool {
	u, err := url.Parse(s)
	if err != nil || !validHost(u.Hostname()) || u.User != nil || strings.ContainsAny(s, "?#") {
		return false
	}
	if u.Path != "" && (u.Path != "/" || !secure) || u.Port() != "" && !validPort(u.Port()) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (!secure || loopbackHost(u.Hostname()))
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
