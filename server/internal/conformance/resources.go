package conformance

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func resources() []server.ServerResource {
	return []server.ServerResource{
		resource("test://static-text", "text", mcp.TextResourceContents{
			URI: "test://static-text", MIMEType: textType, Text: "This is the content of the static text resource.",
		}),
		resource("test://static-binary", "image", mcp.BlobResourceContents{
			URI: "test://static-binary", MIMEType: imageType, Blob: image,
		}),
		resource("test://watched-resource", "watched", mcp.TextResourceContents{
			URI: "test://watched-resource", MIMEType: textType, Text: "Watch me.",
		}),
	}
}

func resource(uri, name string, contents mcp.ResourceContents) server.ServerResource {
	return server.ServerResource{
		Resource: mcp.NewResource(uri, name, mcp.WithResourceDescription("A fixture.")),
		Handler: func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{contents}, nil
		},
	}
}

func template() server.ServerResourceTemplate {
	const prefix, suffix = "test://template/", "/data"
	return server.ServerResourceTemplate{
		Template: mcp.NewResourceTemplate(prefix+"{id}"+suffix, "template", mcp.WithTemplateMIMEType(jsonType)),
		Handler: func(_ context.Context, request mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			uri := request.Params.URI
			id := strings.TrimSuffix(strings.TrimPrefix(uri, prefix), suffix)
			return []mcp.ResourceContents{mcp.TextResourceContents{
				URI:      uri,
				MIMEType: jsonType,
				Text:     fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id),
			}}, nil
		},
	}
}
