package stack

import (
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newGroup makes the resource group; everything else takes its location from it.
func newGroup(ctx *pulumi.Context, names names) (*resources.ResourceGroup, error) {
	return resources.NewResourceGroup(ctx, "group", &resources.ResourceGroupArgs{
		ResourceGroupName: pulumi.String(names.local()),
		Tags:              names.tags(),
	})
}
