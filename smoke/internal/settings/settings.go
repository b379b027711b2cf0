// Package settings reads what the smoke client has to know: where the server
// is, which Entra application asks for a token, and for whom the token is.
//
// Values come from a .env file and the process environment, which wins.
// Everything that is wrong is reported at once, each with the variable's name.
// The client secret is a [Secret] from the moment it is read, so that no
// message, table or JSON document can carry it by accident.
package settings

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// DefaultAuthority is Entra's public cloud.
const DefaultAuthority = "https://login.microsoftonline.com"

// Settings are the smoke client's inputs, checked.
type Settings struct {
	Endpoint *url.URL // PRYNAI_MCP_URL, ending in /mcp

	AuthRequired bool
	Authority    string // where Entra is, without a trailing slash
	TenantID     string
	ClientID     string
	ClientSecret Secret
	Resource     string // the identifier URI that the token is asked for

	ExtraCAs string         // TLS_CA as given, PEM
	Roots    *x509.CertPool // the system's authorities and ExtraCAs; nil means the system's alone

	EnvFile string // the .env file that was read, or ""
}

// Scope is what a client-credentials token is asked for: everything that was
// granted to this client on the server's API.
func (s Settings) Scope() string { return s.Resource + "/.default" }

// CustomAuthority tells whether Entra is somewhere else than the public cloud.
func (s Settings) CustomAuthority() bool { return s.Authority != DefaultAuthority }

// At returns the address of another path of the server: the MCP endpoint's
// address with its last element, /mcp, replaced.
func (s Settings) At(path string) string {
	u := *s.Endpoint
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/mcp") + path
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// Need says which groups of settings a command cannot do without.
type Need struct {
	Server bool
	Token  bool
}

// Parse turns variables into Settings, or returns every problem joined.
func Parse(lookup func(string) string, need Need) (Settings, error) {
	var (
		s        Settings
		problems []error
		err      error
	)
	get := func(name string) string { return strings.TrimSpace(lookup(name)) }
	fail := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}

	if need.Server {
		if s.Endpoint, err = parseEndpoint(get("PRYNAI_MCP_URL")); err != nil {
			fail("PRYNAI_MCP_URL", "%v", err)
		}
	}

	s.AuthRequired = true
	if v := get("AUTH_REQUIRED"); v != "" {
		if required, err := strconv.ParseBool(v); err == nil {
			s.AuthRequired = required
		} else {
			fail("AUTH_REQUIRED", "is %q, want true or false", v)
		}
	}

	s.Authority = DefaultAuthority
	if v := strings.TrimRight(get("ENTRA_AUTHORITY"), "/"); v != "" {
		s.Authority = v
		if u, err := url.Parse(v); err != nil || u.Scheme != "https" || u.Host == "" {
			fail("ENTRA_AUTHORITY", "is %q, want an https address such as %s (Microsoft's identity library refuses http)", v, DefaultAuthority)
		}
	}

	s.TenantID, s.ClientID, s.ClientSecret = get("ENTRA_TENANT_ID"), get("ENTRA_CLIENT_ID"), Secret(get("ENTRA_CLIENT_SECRET"))
	if s.Resource = strings.TrimRight(get("SERVER_APP_ID_URI"), "/"); s.Resource == "" {
		if id := get("SERVER_APP_ID"); id != "" {
			s.Resource = "api://" + id
		}
	}
	if need.Token && s.AuthRequired {
		if s.TenantID == "" {
			fail("ENTRA_TENANT_ID", "is missing: the directory (tenant) id, a GUID, of the Entra tenant that issues tokens")
		}
		if s.Resource == "" {
			fail("SERVER_APP_ID_URI", "is missing, and SERVER_APP_ID too: one of them names the server's app registration, for example api://00000000-0000-0000-0000-000000000000")
		}
		if s.ClientSecret != "" && s.ClientID == "" {
			fail("ENTRA_CLIENT_ID", "is missing, although ENTRA_CLIENT_SECRET is set: the application (client) id that the secret belongs to")
		}
	}

	if s.ExtraCAs = get("TLS_CA"); s.ExtraCAs != "" {
		if s.Roots, err = rootsWith(s.ExtraCAs); err != nil {
			fail("TLS_CA", "%v", err)
		}
	}
	return s, errors.Join(problems...)
}

func parseEndpoint(v string) (*url.URL, error) {
	const example = "https://<app>.<region>.azurecontainerapps.io/mcp"
	if v == "" {
		return nil, fmt.Errorf("is missing: the server's MCP address, for example %s (stack output mcpUrl)", example)
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("is %q, want an address such as %s", v, example)
	case u.User != nil:
		return nil, errors.New("carries a user name or password; the address must have neither")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("is %q: plain http would show the token to the network; it is accepted on loopback only, so write https://", v)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("is %q, want https://", v)
	case !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/mcp"):
		return nil, fmt.Errorf("is %q: the MCP endpoint's path is /mcp, as in %s", v, example)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Roots are the authorities to trust when TLS_CA is pem: nil, the system's
// alone, when that is empty.
func Roots(pem string) (*x509.CertPool, error) {
	if pem == "" {
		return nil, nil
	}
	return rootsWith(pem)
}

// rootsWith adds authorities to the system's own. A system without a readable
// store starts from none: the added ones are then all there is.
func rootsWith(pem string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("holds no certificate: want PEM text (-----BEGIN CERTIFICATE----- ...), not the name of a file")
	}
	return pool, nil
}
