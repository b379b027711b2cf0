package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	containerregistry "github.com/pulumi/pulumi-azure-native-sdk/containerregistry/v2/v20230701"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// registry holds the server's image. Its admin user is off, and whoever deploys pushes with the Azure login, unless
// the configuration turns the admin user on for those who may not assign the role that pulling takes.
type registry struct {
	*containerregistry.Registry
	adminUser bool
	// credentials are the admin user's, asked for only where it is on.
	credentials containerregistry.ListRegistryCredentialsResultOutput
	// group and name find the registry where a push runs: a function that is called there takes no outputs.
	group, name string
}

func (d *deployment) newRegistry() (*registry, error) {
	made, err := containerregistry.NewRegistry(d.Context, "registry", &containerregistry.RegistryArgs{
		ResourceGroupName: d.group.Name,
		RegistryName:      pulumi.String(d.names.registry()),
		Sku:               containerregistry.SkuArgs{Name: pulumi.String(d.config.registrySKU)},
		AdminUserEnabled:  pulumi.Bool(d.config.adminUser),
		Tags:              d.names.tags(),
	})
	if err != nil {
		return nil, err
	}
	r := &registry{Registry: made, adminUser: d.config.adminUser, group: d.names.local(), name: d.names.registry()}
	if r.adminUser {
		r.credentials = containerregistry.ListRegistryCredentialsOutput(d.Context, containerregistry.ListRegistryCredentialsOutputArgs{
			ResourceGroupName: d.group.Name,
			RegistryName:      made.Name,
		})
	}
	return r, nil
}

func (r *registry) username() pulumi.StringOutput { return r.credentials.Username().Elem() }

func (r *registry) password() pulumi.StringOutput {
	return secret(r.credentials.Passwords().Index(pulumi.Int(0)).Value().Elem())
}

// target is the registry as a push needs it.
func (r *registry) target(ctx *pulumi.Context) image.Registry {
	auth := func(c context.Context, server string) (authn.Authenticator, error) {
		token, err := authorization.GetClientToken(ctx, &authorization.GetClientTokenArgs{})
		if err != nil {
			return nil, fmt.Errorf("ask the Azure login for a token: %w; log in with `az login`", err)
		}
		return image.Exchange(c, server, token.Token)
	}
	if r.adminUser {
		auth = func(context.Context, string) (authn.Authenticator, error) {
			answer, err := containerregistry.ListRegistryCredentials(ctx, &containerregistry.ListRegistryCredentialsArgs{
				ResourceGroupName: r.group, RegistryName: r.name,
			})
			if err != nil {
				return nil, fmt.Errorf("ask Azure for the admin user's password: %w", err)
			}
			if answer.Username == nil || len(answer.Passwords) == 0 || answer.Passwords[0].Value == nil {
				return nil, errors.New("the registry answered no admin user; is it turned on?")
			}
			return &authn.Basic{Username: *answer.Username, Password: *answer.Passwords[0].Value}, nil
		}
	}
	return image.Registry{Server: r.LoginServer, Auth: auth}
}
