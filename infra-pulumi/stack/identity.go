package stack

import (
	"fmt"

	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// acrPull is Azure's built-in role that may pull from a registry.
const acrPull = "7f951dda-4ed3-4680-a7ca-43fe172d538d"

// identity is the app's own in Azure. It is registered by its type token: the SDK's module is not published where
// this project builds.
type identity struct {
	pulumi.CustomResourceState
	PrincipalID pulumi.StringOutput `pulumi:"principalId"`

	// grants are what the identity must have been given before the app may start.
	grants []*authorization.RoleAssignment
}

func (d *deployment) newIdentity(registry *registry) (*identity, error) {
	id := new(identity)
	err := d.RegisterResource("azure-native:managedidentity/v20230131:UserAssignedIdentity", "identity", pulumi.Map{
		"resourceGroupName": d.group.Name,
		"resourceName":      pulumi.String(d.names.local()),
		"tags":              d.names.tags(),
	}, id, pulumi.Version(azurecache.Version))
	if err != nil || registry.adminUser {
		return id, err // with the admin user the app pulls by password
	}
	return id, d.grant(id, "pull", acrPull, registry.ID())
}

// grant gives the identity a role on one resource.
func (d *deployment) grant(id *identity, name, role string, on pulumi.IDOutput) error {
	made, err := authorization.NewRoleAssignment(d.Context, name, &authorization.RoleAssignmentArgs{
		RoleAssignmentName: pulumi.String(d.names.role(name)),
		Scope:              on,
		RoleDefinitionId: pulumi.String(fmt.Sprintf("/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s",
			d.names.subscription, role)),
		PrincipalId: id.PrincipalID,
		// Without it Azure looks for the principal, which it may not know yet.
		PrincipalType: pulumi.String("ServicePrincipal"),
	})
	id.grants = append(id.grants, made)
	return err
}
