package check

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

func (s *Suite) lookup(ctx context.Context) (string, error) {
	host := s.Settings.Endpoint.Hostname()
	if net.ParseIP(host) != nil {
		return host + " is an address", nil
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	return host + " is " + strings.Join(addresses, ", "), nil
}

func (s *Suite) handshake(ctx context.Context) (string, error) {
	u := s.Settings.Endpoint
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if u.Scheme == "http" {
		c, err := dialer.DialContext(ctx, "tcp", withPort(u.Host, "80"))
		if err != nil {
			return "", err
		}
		return "plain http, on loopback", c.Close()
	}
	d := &tls.Dialer{NetDialer: dialer, Config: &tls.Config{RootCAs: s.Settings.Roots, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(ctx, "tcp", withPort(u.Host, "443"))
	if err != nil {
		return "", err
	}
	leaf := c.(*tls.Conn).ConnectionState().PeerCertificates[0]
	detail := fmt.Sprintf("certificate for %s by %s, until %s", orDash(strings.Join(leaf.DNSNames, ", ")), orDash(leaf.Issuer.CommonName), leaf.NotAfter.Format(time.DateOnly))
	return detail, c.Close()
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// metadata is what the server publishes about whose tokens it takes (RFC 9728).
type metadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported"`
}

func (s *Suite) readMetadata(ctx context.Context) (string, error) {
	if !s.Settings.AuthRequired {
		return withoutAuth, nil
	}
	body, err := wire.Get(ctx, s.open(), s.Settings.At("/.well-known/oauth-protected-resource/mcp"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(body, &s.metadata); err != nil || s.metadata.Resource == "" {
		return "", &mismatch{got: "200 with " + excerpt(body), cause: "another program answers at this address: check PRYNAI_MCP_URL"}
	}
	m, u := s.metadata, s.Settings.Endpoint
	if m.Resource != u.String() && u.Scheme == "https" {
		return "", &mismatch{
			expected: "resource " + u.String(), got: "resource " + excerpt([]byte(m.Resource)),
			cause: "clients that sign in by themselves refuse a server that calls itself otherwise: use that address in PRYNAI_MCP_URL, " +
				"or set the stack's server:publicUrl (PUBLIC_URL) to this one; only for a revision's own address is the difference in order"}
	}
	return "tokens from " + excerpt([]byte(strings.Join(m.AuthorizationServers, ", "))), nil
}

// compareClaims holds the token against what is known of the server: its
// metadata, and the settings that should be the same on both sides.
func (s *Suite) compareClaims(context.Context) (string, error) {
	if !s.Settings.AuthRequired {
		return withoutAuth, nil
	}
	c := s.token.Claims
	if !c.Expires.After(time.Now()) {
		return "", &mismatch{
			expected: "an expiry (exp) in the future", got: c.Expires.Format(time.RFC3339),
			cause: "this machine's clock is ahead, or the credential handed out an old token: set the clock, or sign in again"}
	}
	if !strings.EqualFold(c.TenantID, s.Settings.TenantID) {
		return "", &mismatch{
			expected: "tenant (tid) " + s.Settings.TenantID, got: orDash(c.TenantID),
			cause: "the credential (" + s.token.Credential + ") belongs to another directory: sign in to the right one, or correct ENTRA_TENANT_ID"}
	}
	if servers := s.metadata.AuthorizationServers; len(servers) > 0 && !slices.ContainsFunc(servers, func(server string) bool {
		return strings.Contains(strings.ToLower(server), strings.ToLower(c.TenantID))
	}) {
		return "", &mismatch{
			expected: "a token of " + excerpt([]byte(strings.Join(servers, ", "))), got: "tenant (tid) " + c.TenantID,
			cause: "the server trusts another tenant: correct the stack's entra:tenantId (ENTRA_TENANT_ID of the server), or ENTRA_TENANT_ID here"}
	}
	if audiences := s.acceptedAudiences(); len(audiences) > 0 && !slices.ContainsFunc(c.Audience, func(a string) bool {
		return slices.Contains(audiences, strings.TrimRight(strings.ToLower(a), "/"))
	}) {
		return "", &mismatch{
			expected: "audience (aud) " + strings.Join(audiences, " or "), got: orDash(strings.Join(c.Audience, ", ")),
			cause: "the token is for another API: SERVER_APP_ID or SERVER_APP_ID_URI here and the stack's entra:serverAppId (ENTRA_AUDIENCES of the server) " +
				"must name the same app registration"}
	}
	if len(c.Roles) == 0 && c.Scopes == "" {
		return "", &mismatch{
			expected: "a role (roles) or scope (scp) of this API", got: "neither",
			cause: "role missing: in Entra, under the client app's API permissions, add the server app's application permission (such as Mcp.Invoke) and grant admin consent"}
	}
	return fmt.Sprintf("aud %s, roles [%s], scp %s", strings.Join(c.Audience, ", "), strings.Join(c.Roles, ", "), orDash(c.Scopes)), nil
}

// acceptedAudiences tells, as far as it can be known from outside, for whom a
// token must be: the applications whose scopes the server names, or else the
// one that the token was asked for. Entra writes the application's id into v2
// tokens, its identifier URI into v1 tokens; a URI that does not hold the id
// leaves the id unknown, and nothing can be compared.
func (s *Suite) acceptedAudiences() []string {
	var resources []string
	for _, scope := range s.metadata.Scopes {
		if i := strings.LastIndexByte(scope, '/'); i > 0 {
			resources = append(resources, scope[:i])
		}
	}
	if len(resources) == 0 {
		resources = []string{s.Settings.Resource}
	}
	var audiences []string
	for _, resource := range resources {
		resource = strings.ToLower(resource)
		id, ok := strings.CutPrefix(resource, "api://")
		if !ok || strings.Contains(id, "/") {
			return nil
		}
		audiences = append(audiences, id, resource)
	}
	slices.Sort(audiences)
	return slices.Compact(audiences)
}

// liveStream tells a stream that flows from one that is held back and arrives
// all at once, by when its events come: long_task needs about a second for
// five steps.
func (s *Suite) liveStream(ctx context.Context) (string, error) {
	const (
		steps = 5
		live  = 100 * time.Millisecond // between first and last, of about 800
	)
	came, err := s.longTask(ctx, steps)
	if err != nil {
		return "", err
	}
	spread := came[steps-1].at.Sub(came[0].at)
	if spread < live {
		return "", &mismatch{
			got: fmt.Sprintf("%d notifications within %s", steps, spread.Round(time.Millisecond)),
			cause: "something between here and the server buffers the answer (a reverse proxy, a web application firewall, an inspecting virus scanner): " +
				"switch off response buffering there for text/event-stream"}
	}
	return fmt.Sprintf("%d notifications over %s", steps, spread.Round(time.Millisecond)), nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
