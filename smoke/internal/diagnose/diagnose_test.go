package diagnose

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// serve starts a TLS server with a certificate of its own for name, and
// returns its address and a pool that trusts it.
func serve(t *testing.T, name string, notAfter time.Time) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return s.URL, pool
}

// TestConnections makes real failures, because what counts is the type of
// error that this platform reports.
func TestConnections(t *testing.T) {
	later := time.Now().Add(time.Hour)
	good, trusted := serve(t, "127.0.0.1", later)
	named, namedPool := serve(t, "elsewhere.example", later)
	expired, expiredPool := serve(t, "127.0.0.1", time.Now().Add(-time.Hour))
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	rude, err := net.Listen("tcp", "127.0.0.1:0") // accepts and hangs up
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rude.Close() })
	go func() {
		for {
			c, err := rude.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()

	withCA := settings.Settings{ExtraCAs: "x"}
	for _, tt := range []struct {
		name, url string
		roots     *x509.CertPool
		settings  settings.Settings
		want      string
	}{
		{"unknown authority", good, x509.NewCertPool(), settings.Settings{}, "set TLS_CA"},
		{"authority not in TLS_CA", good, namedPool, withCA, "neither among the system's nor in TLS_CA"},
		{"other name", named, namedPool, settings.Settings{}, "for another name than 127.0.0.1"},
		{"expired", expired, expiredPool, settings.Settings{}, "has expired"},
		{"https to http", strings.Replace(plain.URL, "http:", "https:", 1), nil, settings.Settings{}, "speaks plain HTTP"},
		{"http to https", strings.Replace(good, "https:", "http:", 1), trusted, settings.Settings{}, "speaks HTTPS"},
		{"refused", closed.URL, nil, settings.Settings{}, "nothing listens there"},
		{"no such host", "https://nobody.invalid/", nil, settings.Settings{}, "nobody.invalid"},
		{"silence", "http://" + silent.Addr().String(), nil, settings.Settings{}, "no answer in time"},
		{"hung up", "http://" + rude.Addr().String(), nil, settings.Settings{}, "connection was cut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if tt.name == "silence" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			tr := wire.NewTransport(tt.roots)
			defer tr.CloseIdleConnections()
			_, err := wire.Get(ctx, &wire.Bearer{Next: tr}, tt.url)
			if cause := Cause(err, Facts{Settings: tt.settings}); !strings.Contains(cause, tt.want) {
				t.Errorf("%v\n  is said to be %q, want %q in it", err, cause, tt.want)
			}
		})
	}
}

func TestCauses(t *testing.T) {
	public := settings.Settings{AuthRequired: true, Authority: settings.DefaultAuthority, TenantID: "T", ClientID: "C", Resource: "api://A"}
	token := entra.Claims{Audience: []string{"B"}, TenantID: "T", Roles: []string{"Other.Role"}}
	for _, tt := range []struct {
		err  error
		want []string
	}{
		{&wire.Refusal{Status: 401}, []string{"audience mismatch", "the token is for B", "entra:serverAppId"}},
		{&wire.Refusal{Status: 401, Description: "The token was issued for another audience."}, []string{"audience mismatch"}},
		{&wire.Refusal{Status: 401, Description: "The token is from another issuer."}, []string{"entra:tenantId", "entra:authority"}},
		{&wire.Refusal{Status: 401, Description: "The token has expired."}, []string{"clock"}},
		{&wire.Refusal{Status: 403, Code: "insufficient_scope"}, []string{"role missing", "Other.Role", "admin consent"}},
		{&wire.Refusal{Status: 403, Code: "invalid_host"}, []string{"server:allowedHosts"}},
		{&wire.Refusal{Status: 403}, []string{"firewall or gateway"}},
		{&wire.Refusal{Status: 404, Path: "/x"}, []string{"must end in /mcp"}},
		{&wire.Refusal{Status: 406}, []string{"Accept"}},
		{&wire.Refusal{Status: 400}, []string{"malformed"}},
		{&wire.Refusal{Status: 503, RetryAfter: "4"}, []string{"not ready", "4 s"}},
		{&wire.Refusal{Status: 504}, []string{"ingress", "8000"}},
		{&wire.Refusal{Status: 500}, []string{"its log"}},
		{&wire.Refusal{Status: 418}, []string{"unknown"}},
		{&wire.Refusal{Status: 308, Location: "https://x/"}, []string{`"https://x/"`}},
		{&entra.Error{Code: "AADSTS7000215"}, []string{"not its id", "ENTRA_CLIENT_ID=C"}},
		{&entra.Error{Code: "AADSTS123"}, []string{"error?code=123"}},
		{&entra.Error{Message: "TenantDiscoveryResponse: issuer is x"}, []string{"ENTRA_AUTHORITY"}},
		{&entra.Error{Credential: "none"}, []string{"az login --tenant T"}},
		{&entra.Error{}, []string{"check ENTRA_TENANT_ID"}},
		{&net.DNSError{Name: "x", IsNotFound: true}, []string{"no host is called x"}},
		{&net.DNSError{Name: "x", IsTimeout: true}, []string{"could not be looked up"}},
		{context.Canceled, []string{"interrupted"}},
		{errors.New("something else"), []string{"unknown"}},
	} {
		// Causes have to be found beneath what libraries wrap around them.
		cause := Cause(fmt.Errorf("transport error: %w", tt.err), Facts{Settings: public, Claims: token})
		for _, want := range tt.want {
			if !strings.Contains(cause, want) {
				t.Errorf("%#v: %q, want %q in it", tt.err, cause, want)
			}
		}
	}
}
