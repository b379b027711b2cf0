package stack

import (
	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// workloadProfile is billed by use.
const workloadProfile = "Consumption"

// newEnvironment makes the Container Apps environment that the app runs in.
func newEnvironment(ctx *pulumi.Context, names names, group *resources.ResourceGroup, logs *logs) (*app.ManagedEnvironment, error) {
	return app.NewManagedEnvironment(ctx, "environment", &app.ManagedEnvironmentArgs{
		ResourceGroupName: group.Name,
		EnvironmentName:   pulumi.String(names.local()),
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
		Tags: names.tags(),
	})
}
