package stack

import (
	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The address ranges of the network. It is peered with no other, so any private range serves.
const (
	networkRange     = "10.40.0.0/16"
	environmentRange = "10.40.0.0/23"
	endpointRange    = "10.40.2.0/24"
)

// networkModule is azure-native's. Its resources are registered by their type tokens: the SDK's package would take
// minutes to compile for the few that are used here.
const networkModule = "azure-native:network/v20230901:"

// network is the virtual network that the environment lies in, where zone redundancy or a private Redis needs one.
type network struct {
	id        pulumi.IDOutput
	subnet    func(name string) pulumi.StringOutput
	endpoints []pulumi.Resource // by which private things are found
}

type networkResource struct{ pulumi.CustomResourceState }

// newNetwork makes the network, or answers nil where none is needed.
func (d *deployment) newNetwork() (*network, error) {
	if !d.config.zoneRedundant && !d.config.private {
		return nil, nil
	}
	subnets := pulumi.Array{pulumi.Map{
		"name":          pulumi.String("environment"),
		"addressPrefix": pulumi.String(environmentRange),
		"delegations": pulumi.Array{pulumi.Map{
			"name": pulumi.String("environments"), "serviceName": pulumi.String("Microsoft.App/environments"),
		}},
	}}
	if d.config.private {
		subnets = append(subnets, pulumi.Map{"name": pulumi.String("endpoints"), "addressPrefix": pulumi.String(endpointRange)})
	}
	made, err := d.newNetworkResource("VirtualNetwork", "network", pulumi.Map{
		"virtualNetworkName": pulumi.String(d.names.local()),
		"addressSpace":       pulumi.Map{"addressPrefixes": pulumi.StringArray{pulumi.String(networkRange)}},
		"subnets":            subnets,
		"tags":               d.names.tags(),
	})
	if err != nil {
		return nil, err
	}
	return &network{id: made.ID(), subnet: func(name string) pulumi.StringOutput {
		return pulumi.Sprintf("%s/subnets/%s", made.ID(), name)
	}}, nil
}

// configuration places the environment in the network.
func (n *network) configuration() app.VnetConfigurationPtrInput {
	if n == nil {
		return nil
	}
	return app.VnetConfigurationArgs{
		InfrastructureSubnetId: n.subnet("environment"),
		Internal:               pulumi.Bool(false), // clients come from outside
	}
}

// connect gives a cache an address in the network, under its own name: the zone answers for it there.
func (d *deployment) connect(n *network, cache *redis) error {
	if !d.config.private {
		return nil
	}
	endpoint, err := d.newNetworkResource("PrivateEndpoint", "redis-endpoint", pulumi.Map{
		"privateEndpointName": pulumi.String(d.names.local()),
		"subnet":              pulumi.Map{"id": n.subnet("endpoints")},
		"privateLinkServiceConnections": pulumi.Array{pulumi.Map{
			"name": pulumi.String("redis"), "privateLinkServiceId": cache.resource.ID(), "groupIds": pulumi.StringArray{pulumi.String(cache.linkGroup)},
		}},
		"tags": d.names.tags(),
	})
	if err != nil {
		return err
	}
	zone := new(networkResource)
	err = d.RegisterResource("azure-native:network/v20200601:PrivateZone", "redis-zone", pulumi.Map{
		"resourceGroupName": d.group.Name,
		"privateZoneName":   pulumi.String(cache.linkZone),
		"location":          pulumi.String("Global"),
		"tags":              d.names.tags(),
	}, zone, pulumi.Version(azurecache.Version))
	if err != nil {
		return err
	}
	link := new(networkResource)
	err = d.RegisterResource("azure-native:network/v20200601:VirtualNetworkLink", "redis-zone-link", pulumi.Map{
		"resourceGroupName":      d.group.Name,
		"privateZoneName":        pulumi.String(cache.linkZone),
		"virtualNetworkLinkName": pulumi.String(d.names.local()),
		"location":               pulumi.String("Global"),
		"registrationEnabled":    pulumi.Bool(false),
		"virtualNetwork":         pulumi.Map{"id": n.id},
	}, link, pulumi.Version(azurecache.Version), pulumi.DependsOn([]pulumi.Resource{zone}))
	if err != nil {
		return err
	}
	record, err := d.newNetworkResource("PrivateDnsZoneGroup", "redis-zone-record", pulumi.Map{
		"privateEndpointName":     pulumi.String(d.names.local()),
		"privateDnsZoneGroupName": pulumi.String("default"),
		"privateDnsZoneConfigs":   pulumi.Array{pulumi.Map{"name": pulumi.String("redis"), "privateDnsZoneId": zone.ID()}},
	}, pulumi.DependsOn([]pulumi.Resource{endpoint}))
	n.endpoints = append(n.endpoints, link, record)
	return err
}

func (d *deployment) newNetworkResource(kind, name string, inputs pulumi.Map, options ...pulumi.ResourceOption) (*networkResource, error) {
	made := new(networkResource)
	inputs["resourceGroupName"] = d.group.Name
	return made, d.RegisterResource(networkModule+kind, name, inputs, made, append(options, pulumi.Version(azurecache.Version))...)
}

// before are what the app needs to have been made, though none of its inputs says so.
func (n *network) before() []pulumi.ResourceOption {
	if n == nil {
		return nil
	}
	return []pulumi.ResourceOption{pulumi.DependsOn(n.endpoints)}
}
