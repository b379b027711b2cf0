package main

import (
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
)

func TestCertificateIsForLoopback(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	config, err := ca.server()
	if err != nil {
		t.Fatal(err)
	}
	certificate := config.Certificates[0].Leaf
	for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: ca.client().RootCAs, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: other.client().RootCAs}); err == nil {
		t.Error("another run's authority vouches for it")
	}
}

// Whoever trusts the authority, and leaves it at that, cannot be lied to about
// the rest of the world.
func TestAuthorityIsConstrained(t *testing.T) {
	ca := newCA(t)
	forged := template("example.com")
	forged.DNSNames = []string{"example.com"}
	der, err := x509.CreateCertificate(rand.Reader, forged, ca.certificate, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: ca.client().RootCAs, DNSName: "example.com"})
	if err == nil || !strings.Contains(err.Error(), "not permitted") {
		t.Fatal(err)
	}
}
