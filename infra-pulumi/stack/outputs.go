package stack

import (
	"encoding/json"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// outputs are what people and the smoke client need. None is secret.
func (d *deployment) outputs(app *containerApp, server *image.Deployed) pulumi.Map {
	mcpURL := pulumi.Sprintf("%s/mcp", app.publicURL)
	outputs := pulumi.Map{
		"resourceGroup": d.group.Name,
		"containerApp":  app.Name,
		"image":         server.Ref,
		// The configuration holds secrets, so the engine takes all of it for one; the host name in it is public.
		"fqdn":          pulumi.Unsecret(app.Configuration.Ingress().Fqdn().Elem()),
		"mcpUrl":        mcpURL,
		"healthUrl":     pulumi.Sprintf("%s/healthz", app.publicURL),
		"vscodeMcpJson": mcpURL.ApplyT(VSCode).(pulumi.StringOutput),
		// What the next run and the release command carry on with.
		"live":           pulumi.String(d.release.Live),
		"previous":       pulumi.String(d.release.Previous),
		"latestRevision": app.LatestRevisionName,
	}
	if d.config.domain != "" {
		outputs["domainNext"] = d.domainNext(app)
	}
	return outputs
}

// VSCode is a mcp.json for VS Code that asks for a token when the server is started, and keeps it in VS Code's store.
func VSCode(mcpURL string) (string, error) {
	type input struct {
		Type        string `json:"type"`
		ID          string `json:"id"`
		Description string `json:"description"`
		Password    bool   `json:"password"`
	}
	type server struct {
		Type    string            `json:"type"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
	}
	file := struct {
		Inputs  []input           `json:"inputs"`
		Servers map[string]server `json:"servers"`
	}{
		Inputs: []input{{"promptString", "prynai-mcp-token", "Access token for PrynAI MCP", true}},
		Servers: map[string]server{"prynai-mcp": {"http", mcpURL, map[string]string{
			"Authorization": "Bearer ${input:prynai-mcp-token}",
		}}},
	}
	text, err := json.MarshalIndent(file, "", "  ")
	return string(text), err
}
