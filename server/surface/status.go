package surface

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const statusURI = "prynai://status"

func statusResource() server.ServerResource {
	return server.ServerResource{
		Resource: mcp.NewResource(statusURI, "status",
			mcp.WithResourceDescription("The word ok, from a server that answers."),
			mcp.WithMIMEType("text/plain")),
		Handler: func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return text(statusURI, "ok"), nil
		},
	}
}

func text(uri, content string) []mcp.ResourceContents {
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, MIMEType: "text/plain", Text: content}}
}
