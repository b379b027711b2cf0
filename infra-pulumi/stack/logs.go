package stack

import (
	operationalinsights "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20230901"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// logs is where the app's log goes.
type logs struct {
	customerID pulumi.StringOutput
	sharedKey  pulumi.StringOutput // secret
}

func newLogs(ctx *pulumi.Context, names names, group *resources.ResourceGroup) (*logs, error) {
	workspace, err := operationalinsights.NewWorkspace(ctx, "logs", &operationalinsights.WorkspaceArgs{
		ResourceGroupName: group.Name,
		WorkspaceName:     pulumi.String(names.local()),
		Sku:               operationalinsights.WorkspaceSkuArgs{Name: pulumi.String("PerGB2018")},
		RetentionInDays:   pulumi.Int(30), // what the price of ingestion includes
		Tags:              names.tags(),
	})
	if err != nil {
		return nil, err
	}
	keys := operationalinsights.GetSharedKeysOutput(ctx, operationalinsights.GetSharedKeysOutputArgs{
		ResourceGroupName: group.Name,
		WorkspaceName:     workspace.Name,
	})
	return &logs{workspace.CustomerId, secret(keys.PrimarySharedKey().Elem())}, nil
}

// secret marks what a provider's function answers, which azure-native leaves plain.
func secret(value pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.ToSecret(value).(pulumi.StringOutput)
}
