package stack

import (
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func minimal() map[string]string {
	return map[string]string{
		"azure-native:location": "westeurope",
		"entra:tenantId":        "aaaaaaaa-0000-4000-8000-00000000000a",
		"entra:serverAppId":     "bbbbbbbb-0000-4000-8000-00000000000b",
	}
}

func program() Program {
	return Program{
		Image: func(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
			return &image.Deployed{Ref: pulumi.Sprintf("%s/prynai-mcp@sha256:0", to.Server)}, nil
		},
		Getenv: func(string) string { return "" },
	}
}

func TestEvaluates(t *testing.T) {
	for _, kind := range []string{managedRedis, classicRedis} {
		cfg := minimal()
		cfg["redis:kind"] = kind
		d, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "prynai-mcp", Stack: "dev", Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resource("azure-native:app:ContainerApp"); err != nil {
			t.Error(err)
		}
	}
}
