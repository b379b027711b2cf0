package stack

import (
	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// workloadProfile is billed by use.
const workloadProfile = "Consumption"

// newEnvironment makes the Container Apps environment that the app runs in. Where it lies is settled when it is made.
func (d *deployment) newEnvironment(logs *logs, network *network) (*app.ManagedEnvironment, error) {
	return app.NewManagedEnvironment(d.Context, "environment", &app.ManagedEnvironmentArgs{
		ResourceGroupName: d.group.Name,
		EnvironmentName:   pulumi.String(d.names.local()),
		WorkloadProfiles: app.WorkloadProfileArray{app.WorkloadProfileArgs{
			Name:                pulumi.String(workloadProfile),
			WorkloadProfileType: pulumi.String(workloadProfile),
		}},
		AppLogsConfiguration: app.AppLogsConfigurationArgs{
			Destination: pulumi.String("log-analytics"),
			LogAnalyticsConfiguration: app.LogAnalyticsConfigurationArgs{
				CustomerId: logs.customerID,
				SharedKey:  logs.sharedKey,
			},
		},
		VnetConfiguration: network.configuration(),
		ZoneRedundant:     d.zoneRedundant(),
		Tags:              d.names.tags(),
	}, pulumi.ReplaceOnChanges([]string{"zoneRedundant", "vnetConfiguration"}), pulumi.DeleteBeforeReplace(true))
}

// zoneRedundant is left out where it is not wanted: Azure takes it only together with a network.
func (d *deployment) zoneRedundant() pulumi.BoolPtrInput {
	if !d.config.zoneRedundant {
		return nil
	}
	return pulumi.Bool(true)
}
