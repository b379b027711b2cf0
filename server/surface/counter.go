package surface

import (
	"context"
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const counterURI = "prynai://counter"

func counterResource(d Dependencies) server.ServerResource {
	return server.ServerResource{
		Resource: mcp.NewResource(counterURI, "counter",
			mcp.WithResourceDescription("The value of the counter that all replicas share; bump_counter adds to it."),
			mcp.WithMIMEType("text/plain")),
		Handler: func(ctx context.Context, _ mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			value, err := d.Counter.Value(ctx)
			if err != nil {
				return nil, fail("the counter's store is unavailable: try again", err)
			}
			return text(counterURI, strconv.FormatInt(value, 10)), nil
		},
	}
}
