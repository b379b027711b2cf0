package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"time"
)

// certificateExpiry asks the server itself: Azure tells of no managed certificate when it ends.
func certificateExpiry(ctx context.Context, address string) (time.Time, error) {
	return expiryTrusting(ctx, address, nil)
}

// expiryTrusting trusts these authorities; nil: the system's.
func expiryTrusting(ctx context.Context, address string, roots *x509.CertPool) (time.Time, error) {
	at, err := url.Parse(address)
	if err != nil {
		return time.Time{}, err
	}
	port := at.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	connection, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots}}).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = connection.Close() }() // nothing was sent
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter, nil
}
