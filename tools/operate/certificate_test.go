package main

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCertificateExpiry(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	if end, err := expiryTrusting(t.Context(), server.URL+"/mcp", roots); err != nil || !end.Equal(server.Certificate().NotAfter) {
		t.Errorf("it ends %v, %v; want %v", end, err, server.Certificate().NotAfter)
	}
	if end, err := certificateExpiry(t.Context(), server.URL); err == nil {
		t.Errorf("a certificate of nobody's ends %v", end)
	}
	server.Close()
	if _, err := expiryTrusting(t.Context(), server.URL, roots); err == nil {
		t.Error("nobody has a certificate")
	}
}
