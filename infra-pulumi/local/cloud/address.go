package cloud

import (
	"crypto/tls"
	"fmt"
	"net"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
)

// address is where a revision answers with or without traffic: an ingress of
// its own on a free port, as Azure gives each revision a name of its own.
type address struct {
	url   string
	close func()
}

func serve(to ingress.Backends, port int, config *tls.Config) (*address, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the revision's own address: %w", err)
	}
	own := ingress.New(ingress.Timeout)
	own.Route(to, port)
	server := own.Server()
	server.TLSConfig = config.Clone()                     // the server adds its protocols
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends by close alone
	return &address{
		url:   "https://" + listener.Addr().String() + endpoint,
		close: func() { _ = server.Close() }, // it listens on nothing any more, that is all
	}, nil
}
