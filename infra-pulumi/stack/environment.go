package stack

import (
	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// workloadProfile is billed by use.
const workloadProfile = "Consumption"

// newEnvironment makes the Container Apps environment that the app runs in.
func (d *deployment) newEnvironment(logs *logs) (*app.ManagedEnvironment, error) {
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
		Tags: d.names.tags(),
	})
}
