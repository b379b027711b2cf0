package stack

import (
	"fmt"

	metricalert "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20180301"
	diagnostics "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20210501preview"
	actiongroup "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20230101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// watched is what monitoring needs to know of the deployment.
type watched struct {
	app      *containerApp
	registry *registry
	redis    *redis
	logs     *logs
}

// source is something that has logs or metrics of its own.
type source struct {
	name          string
	resource      pulumi.CustomResource
	logs, metrics bool
}

// newDiagnostics sends what the services themselves log and measure to the workspace, where that is wanted: it costs
// by volume. The app's own log is always there.
func (d *deployment) newDiagnostics(w watched) error {
	if !d.config.diagnostics {
		return nil
	}
	sources := []source{{"app", w.app, false, true}, {"registry", w.registry, true, true}}
	switch w.redis.resource {
	case nil:
	case w.redis.logged:
		sources = append(sources, source{"redis", w.redis.resource, true, true})
	default: // a managed Redis measures by cluster and logs by database
		sources = append(sources, source{"redis", w.redis.resource, false, true}, source{"redis-database", w.redis.logged, true, false})
	}
	for _, source := range sources {
		args := &diagnostics.DiagnosticSettingArgs{
			Name:        pulumi.String("to-workspace"),
			ResourceUri: source.resource.ID(),
			WorkspaceId: w.logs.id,
		}
		if source.logs {
			args.Logs = diagnostics.LogSettingsArray{diagnostics.LogSettingsArgs{CategoryGroup: pulumi.String("allLogs"), Enabled: pulumi.Bool(true)}}
		}
		if source.metrics {
			args.Metrics = diagnostics.MetricSettingsArray{diagnostics.MetricSettingsArgs{Category: pulumi.String("AllMetrics"), Enabled: pulumi.Bool(true)}}
		}
		if _, err := diagnostics.NewDiagnosticSetting(d.Context, "diagnostics-"+source.name, args); err != nil {
			return err
		}
	}
	return nil
}

// alert is a metric that somebody is to be told about.
type alert struct {
	name, description string
	resource          pulumi.CustomResource
	namespace, metric string
	aggregation       string
	above             float64
	window            string // ISO 8601
	severity          int
	dimensions        metricalert.MetricDimensionArray
}

// newAlerts mails what docs/operate.md tells how to answer. Without an address there are none.
func (d *deployment) newAlerts(w watched) error {
	if len(d.config.alertEmails) == 0 {
		return nil
	}
	var receivers actiongroup.EmailReceiverArray
	for i, address := range d.config.alertEmails {
		receivers = append(receivers, actiongroup.EmailReceiverArgs{
			Name: pulumi.String(fmt.Sprintf("email-%d", i+1)), EmailAddress: pulumi.String(address), UseCommonAlertSchema: pulumi.Bool(true),
		})
	}
	group, err := actiongroup.NewActionGroup(d.Context, "alerts", &actiongroup.ActionGroupArgs{
		ResourceGroupName: d.group.Name,
		ActionGroupName:   pulumi.String(d.names.local()),
		GroupShortName:    pulumi.String("prynai-mcp"), // at most 12 characters
		Location:          pulumi.String("Global"),
		Enabled:           pulumi.Bool(true),
		EmailReceivers:    receivers,
		Tags:              d.names.tags(),
	})
	if err != nil {
		return err
	}
	for _, a := range alerts(w) {
		if err := d.newAlert(a, group); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) newAlert(a alert, group *actiongroup.ActionGroup) error {
	_, err := metricalert.NewMetricAlert(d.Context, "alert-"+a.name, &metricalert.MetricAlertArgs{
		ResourceGroupName: d.group.Name,
		RuleName:          pulumi.String(d.names.local() + "-" + a.name),
		Location:          pulumi.String("global"),
		Description:       pulumi.String(a.description),
		Enabled:           pulumi.Bool(true),
		Severity:          pulumi.Int(a.severity),
		Scopes:            pulumi.StringArray{a.resource.ID()},
		Criteria: metricalert.MetricAlertSingleResourceMultipleMetricCriteriaArgs{
			OdataType: pulumi.String("Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"),
			AllOf: metricalert.MetricCriteriaArray{metricalert.MetricCriteriaArgs{
				CriterionType: pulumi.String("StaticThresholdCriterion"), Name: pulumi.String(a.name),
				MetricNamespace: pulumi.String(a.namespace), MetricName: pulumi.String(a.metric), Dimensions: a.dimensions,
				TimeAggregation: pulumi.String(a.aggregation), Operator: pulumi.String("GreaterThan"), Threshold: pulumi.Float64(a.above),
			}},
		},
		EvaluationFrequency: pulumi.String("PT1M"),
		WindowSize:          pulumi.String(a.window),
		AutoMitigate:        pulumi.Bool(true),
		Actions:             metricalert.MetricAlertActionArray{metricalert.MetricAlertActionArgs{ActionGroupId: group.ID()}},
		Tags:                d.names.tags(),
	})
	return err
}

// alerts are the few that mean that somebody has to look.
func alerts(w watched) []alert {
	const apps = "Microsoft.App/containerApps"
	all := []alert{
		{name: "5xx", description: "The server answers errors of its own.", resource: w.app, namespace: apps, metric: "Requests",
			aggregation: "Total", above: 10, window: "PT5M", severity: 1,
			dimensions: metricalert.MetricDimensionArray{metricalert.MetricDimensionArgs{
				Name: pulumi.String("statusCodeCategory"), Operator: pulumi.String("Include"), Values: pulumi.StringArray{pulumi.String("5xx")},
			}}},
		{name: "restarts", description: "Replicas of the server end and are started again.", resource: w.app, namespace: apps, metric: "RestartCount",
			aggregation: "Total", above: 3, window: "PT15M", severity: 2},
	}
	if w.redis.resource != nil {
		all = append(all, alert{name: "redis-memory", description: "Redis is almost full; when it is, it takes no more sessions.", resource: w.redis.resource,
			namespace: w.redis.metrics, metric: "usedmemorypercentage", aggregation: "Maximum", above: 80, window: "PT5M", severity: 2})
	}
	return all
}
