package stack

import (
	"fmt"

	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230701"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// secretsUser is Azure's built-in role that may read a vault's secrets.
const secretsUser = "4633458b-17de-408a-874b-0445c86b69e6"

// appSecret is a value that the app knows by a name.
type appSecret struct {
	name  string
	value pulumi.StringOutput
}

// storeSecrets has the app hold its secrets, or a vault that the app's identity may read.
func (d *deployment) storeSecrets(secrets []appSecret, identity *identity) (app.SecretArray, error) {
	if d.config.secretStore != vaultStore {
		var held app.SecretArray
		for _, s := range secrets {
			held = append(held, app.SecretArgs{Name: pulumi.String(s.name), Value: secret(s.value)})
		}
		return held, nil
	}
	vault, err := d.newVault()
	if err != nil {
		return nil, err
	}
	if err := d.grant(identity, "read-secrets", secretsUser, vault.ID()); err != nil {
		return nil, err
	}
	var references app.SecretArray
	for _, s := range secrets {
		kept, err := keyvault.NewSecret(d.Context, "secret-"+s.name, &keyvault.SecretArgs{
			ResourceGroupName: d.group.Name,
			VaultName:         vault.Name,
			SecretName:        pulumi.String(s.name),
			Properties:        keyvault.SecretPropertiesArgs{Value: secret(s.value)},
			Tags:              d.names.tags(),
		})
		if err != nil {
			return nil, err
		}
		references = append(references, app.SecretArgs{
			Name:     pulumi.String(s.name),
			Identity: identity.ID(),
			// With its version, so that a revision has the value that it was made with.
			KeyVaultUrl: kept.Properties.SecretUriWithVersion(),
		})
	}
	return references, nil
}

// newVault makes a vault that is opened by roles alone. Whoever deploys writes to it through Azure Resource Manager, and
// needs no role in it.
func (d *deployment) newVault() (*keyvault.Vault, error) {
	client, err := authorization.GetClientConfig(d.Context)
	if err != nil {
		return nil, fmt.Errorf("ask Azure for the subscription's tenant: %w; log in with `az login`", err)
	}
	return keyvault.NewVault(d.Context, "vault", &keyvault.VaultArgs{
		ResourceGroupName: d.group.Name,
		VaultName:         pulumi.String(d.names.vault()),
		Properties: keyvault.VaultPropertiesArgs{
			TenantId:                  pulumi.String(client.TenantId),
			Sku:                       keyvault.SkuArgs{Family: pulumi.String("A"), Name: keyvault.SkuNameStandard},
			EnableRbacAuthorization:   pulumi.Bool(true),
			EnableSoftDelete:          pulumi.Bool(true), // Azure takes no other
			SoftDeleteRetentionInDays: pulumi.Int(7),     // the least: its name is taken that long
		},
		Tags: d.names.tags(),
	})
}
