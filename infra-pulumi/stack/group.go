package stack

import (
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newGroup makes the resource group; everything else takes its location from it.
func (d *deployment) newGroup() (err error) {
	d.group, err = resources.NewResourceGroup(d.Context, "group", &resources.ResourceGroupArgs{
		ResourceGroupName: pulumi.String(d.names.local()),
		Tags:              d.names.tags(),
	}, d.protect())
	return err
}

// protect keeps Pulumi from deleting or replacing what holds data, where that is configured.
func (d *deployment) protect() pulumi.ResourceOption { return pulumi.Protect(d.config.protect) }
