// Package diagnose knows what usually lies behind an error: it turns one into
// the likely cause and what to change, in words.
//
// It is a table of the mistakes that people make with this deployment. An
// error that it does not know gets a plain "unknown", never a guess.
package diagnose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// Facts are what a cause can be told from beside the error.
type Facts struct {
	Settings settings.Settings
	Claims   entra.Claims // of the token in use; zero before there is one
}

// Refused reports whether nothing listens at the far end.
func Refused(err error) bool { return errors.Is(err, connectionRefused) }

// Cause names the likely cause of err and what to change.
func Cause(err error, facts Facts) string {
	var (
		token   *entra.Error
		refusal *wire.Refusal
	)
	switch {
	case errors.As(err, &refusal):
		return ofRefusal(refusal, facts)
	case errors.As(err, &token):
		return ofToken(token, facts)
	}
	if cause := ofNetwork(err, facts); cause != "" {
		return cause
	}
	return "unknown; the server's log may tell more"
}

// ofNetwork names what keeps a connection from coming about, or "".
func ofNetwork(err error, facts Facts) string {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no host is called %s: a typing error in the address, or the app or its environment was deleted", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s could not be looked up: this machine's DNS or network is down", dns.Name)
	case errors.As(err, &authority):
		if facts.Settings.ExtraCAs != "" {
			return "the certificate is signed by an authority that is neither among the system's nor in TLS_CA: TLS_CA is from another run or server, or something on the way intercepts TLS"
		}
		return "the certificate is signed by an authority that this machine does not know: set TLS_CA to that authority's certificate (PEM text) for a private one, or something on the way intercepts TLS"
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate is for another name than %s: use the name that it was made for, or bind a certificate for this one to the app", hostname.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet: renew it, and check this machine's clock"
	case errors.As(err, &invalid):
		return "the certificate is not valid for a server: " + invalid.Error()
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the port speaks plain HTTP, the address says https://: wrong port, or TLS ends elsewhere"
	case Refused(err):
		return "nothing listens there: the server is not running, or the port is wrong"
	case errors.Is(err, connectionReset), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		strings.Contains(err.Error(), "server closed idle connection"): // net/http does not export this one
		return "the connection was cut: the replica went away, or a gateway ended the stream"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: a firewall drops the packets, the app is starting, or the server hangs on this request"
	}
	return ""
}

func ofRefusal(r *wire.Refusal, facts Facts) string {
	switch r.Status {
	case http.StatusUnauthorized:
		return unauthorized(r, facts)
	case http.StatusForbidden:
		return forbidden(r, facts)
	case http.StatusNotFound:
		if strings.Contains(r.Description, "Container App") {
			return "Azure knows no running app under this name: the app is stopped, its revision is inactive, or the address is an old one (stack output mcpUrl has the current one)"
		}
		return "nothing is served at this path, or the session is unknown: PRYNAI_MCP_URL must end in /mcp and lead to this server; a session that has just been opened must be found by every replica (one Redis for all)"
	case http.StatusNotAcceptable:
		return "Not Acceptable: the request arrived without \"Accept: application/json, text/event-stream\"; something on the way rewrites headers"
	case http.StatusBadRequest:
		if strings.Contains(r.Description, "HTTP request to an HTTPS server") {
			return "the port speaks HTTPS, the address says http://"
		}
		return "the server found the request malformed: a proxy on the way removes headers, or client and server are of different versions"
	case http.StatusTooManyRequests:
		return "too many requests" + retry(r)
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "the ingress has no healthy replica or got no answer from one: the app is starting or crashing, or its target port is not 8000; see its log" + retry(r)
	case http.StatusServiceUnavailable:
		return "the server is up and not ready: it has not reached Redis or loaded Entra's keys (a wrong ENTRA_TENANT_ID or REDIS_URL), or it is draining" + retry(r)
	}
	switch {
	case r.Status < 400:
		return fmt.Sprintf("a redirect to %q: use the final address in PRYNAI_MCP_URL (redirects are not followed, they would carry the token elsewhere)", r.Location)
	case r.Status >= 500:
		return "the server failed; its log has the cause" + retry(r)
	}
	return "unknown; the server's log may tell more"
}

func retry(r *wire.Refusal) string {
	if r.RetryAfter == "" {
		return ""
	}
	return " (it asks to try again in " + r.RetryAfter + " s)"
}

func unauthorized(r *wire.Refusal, facts Facts) string {
	c := facts.Claims
	token := fmt.Sprintf("the token is for %s, of tenant %s", strings.Join(c.Audience, ", "), orNone(c.TenantID))
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(r.Description), w) })
	}
	switch {
	case !facts.Settings.AuthRequired:
		return "the server wants a token and AUTH_REQUIRED=false keeps this client from getting one: remove it"
	case len(c.Audience) == 0:
		return "the server wants a token; this request had none"
	case facts.Settings.TenantID != "" && c.TenantID != "" && !strings.EqualFold(c.TenantID, facts.Settings.TenantID):
		return token + fmt.Sprintf(", not %s: the credential belongs to another directory", facts.Settings.TenantID)
	case says("tenant", "issuer"):
		return token + ", and the server trusts another: the stack's entra:tenantId (ENTRA_TENANT_ID) and entra:authority (ENTRA_AUTHORITY) must be the ones used here"
	case says("expired", "not valid yet", "in the future"):
		return "the clocks of this machine and the server differ, or the token is an old one: set the clock, or sign in again"
	}
	return "audience mismatch, most often: " + token + ", and the server must have that audience in ENTRA_AUDIENCES and that tenant in ENTRA_TENANT_ID; " +
		"compare SERVER_APP_ID or SERVER_APP_ID_URI here with entra:serverAppId of the stack; the server's log names what it found"
}

func forbidden(r *wire.Refusal, facts Facts) string {
	switch r.Code {
	case "insufficient_scope":
		return fmt.Sprintf("role missing: the token carries the roles [%s] and scopes [%s]; in Entra, under the client app's API permissions, add the server app's application permission (such as Mcp.Invoke) "+
			"and grant admin consent, then get a new token; or correct entra:requiredAppRoles and entra:requiredScopes of the stack", strings.Join(facts.Claims.Roles, ", "), facts.Claims.Scopes)
	case "invalid_host":
		return "the server does not answer to this host name: set the stack's server:publicUrl (PUBLIC_URL) to this address, or add the name to server:allowedHosts (ALLOWED_HOSTS)"
	}
	return "not the server's own words for a missing role: a firewall or gateway in front of the server said no"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
