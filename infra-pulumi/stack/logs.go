package stack

import (
	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	operationalinsights "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20230901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// logs is where the app's log goes.
type logs struct {
	id         pulumi.IDOutput
	customerID pulumi.StringOutput
	sharedKey  pulumi.StringOutput // secret
}

func (d *deployment) newLogs() (*logs, error) {
	workspace, err := operationalinsights.NewWorkspace(d.Context, "logs", &operationalinsights.WorkspaceArgs{
		ResourceGroupName: d.group.Name,
		WorkspaceName:     pulumi.String(d.names.local()),
		Sku:               operationalinsights.WorkspaceSkuArgs{Name: pulumi.String("PerGB2018")},
		RetentionInDays:   pulumi.Int(d.config.retentionDays),
		Tags:              d.names.tags(),
	})
	if err != nil {
		return nil, err
	}
	key := azurecache.Key(d.Context, pulumi.All(d.group.Name, workspace.Name), func(names []any) (string, error) {
		keys, err := operationalinsights.GetSharedKeys(d.Context, &operationalinsights.GetSharedKeysArgs{
			ResourceGroupName: names[0].(string), WorkspaceName: names[1].(string),
		})
		if err != nil || keys.PrimarySharedKey == nil {
			return "", err
		}
		return *keys.PrimarySharedKey, nil
	})
	return &logs{workspace.ID(), workspace.CustomerId, key}, nil
}

// secret marks what a provider's function answers, which azure-native leaves plain.
func secret(value pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.ToSecret(value).(pulumi.StringOutput)
}
