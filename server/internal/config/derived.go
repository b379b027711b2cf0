package config

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"slices"
	"strings"
)

// noRoles in ENTRA_REQUIRED_APP_ROLES says that a token needs neither role nor scope.
const noRoles = "none"

// OnLoopback reports whether only this machine can reach the listener.
func (c Config) OnLoopback() bool {
	host, _, err := net.SplitHostPort(c.ListenAddr)
	return err == nil && loopbackHost(host)
}

// EmbeddedRedis reports whether sessions live in this process.
func (c Config) EmbeddedRedis() bool { return c.Redis == Redis{} }

// AcceptsAnyToken reports whether a token of the tenant is enough, without any role or scope of this server.
func (c Config) AcceptsAnyToken() bool { return slices.Equal(c.RequiredAppRoles, []string{noRoles}) }

// BaseURL is the origin that clients use, without a slash at the end. It is never taken from a request.
// With port 0 in ListenAddr, set that to the address listened on before asking.
func (c Config) BaseURL() string {
	switch {
	case c.PublicURL != "":
		return strings.TrimSuffix(c.PublicURL, "/")
	case c.appHost() != "":
		return "https://" + c.appHost()
	case c.OnLoopback():
		return "http://" + c.ListenAddr
	}
	return ""
}

// ResourceURL is the identifier of the protected resource, the MCP endpoint.
func (c Config) ResourceURL() string { return c.BaseURL() + "/mcp" }

// AllowedHosts lists the host names, in lower case and without port, that a request may be addressed to.
func (c Config) AllowedHosts() []string {
	hosts := slices.Clone(c.ExtraHosts)
	if u, err := url.Parse(c.PublicURL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	hosts = append(hosts, c.appHost(), c.ContainerAppHostname)
	if c.OnLoopback() {
		hosts = append(hosts, "localhost", "127.0.0.1", "::1")
	}
	for i, host := range hosts {
		hosts[i] = strings.ToLower(host)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	return slices.DeleteFunc(hosts, func(host string) bool { return host == "" })
}

// appHost is the Container App's own host; CONTAINER_APP_HOSTNAME is that of one revision.
func (c Config) appHost() string {
	if c.ContainerAppName == "" || c.ContainerAppDNSSuffix == "" {
		return ""
	}
	return c.ContainerAppName + "." + c.ContainerAppDNSSuffix
}

// RootCAs are the authorities to trust for Redis and Entra: nil, the system's, unless TLS_CA adds some.
func (c Config) RootCAs() *x509.CertPool {
	if c.TLSCA == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without certificates of its own
	}
	for _, certificate := range certificates(c.TLSCA) {
		pool.AddCert(certificate)
	}
	return pool
}

// certificates is nil unless the text is made of certificates alone.
func certificates(text string) []*x509.Certificate {
	var list []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil
		}
		list = append(list, certificate)
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil
	}
	return list
}
