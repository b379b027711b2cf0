package standin

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// Server serves a cloud's provider on a port of loopback.
type Server struct {
	handle rpcutil.ServeHandle
	cancel chan bool
}

// Serve starts a server, which runs until Close.
func (c *Cloud) Serve() (*Server, error) {
	s := &Server{cancel: make(chan bool)}
	var err error
	s.handle, err = rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: s.cancel,
		Init: func(g *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(g, plugin.NewProviderServer(&provider{cloud: c}))
			return nil
		},
	})
	return s, err
}

// Env is the environment in which a pulumi command uses this server for azure-native,
// and downloads no plugin.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"PULUMI_DEBUG_PROVIDERS":                      fmt.Sprintf("azure-native:%d", s.handle.Port),
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
}

// Close stops the server.
func (s *Server) Close() error {
	close(s.cancel)
	return <-s.handle.Done
}
