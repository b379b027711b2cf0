package stack

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// remedy is what to do about a resource that Azure refuses.
type remedy struct {
	of   string         // how the resource's name in the program begins
	said *regexp.Regexp // in Azure's message; nil: whatever it says
	do   string
}

// remedies are what to do, the first that fits: what Azure says is more telling than which resource it is about, except
// where a setting of that resource is the way out. The codes are from Azure's documentation and SDKs.
var remedies = []remedy{
	{"", regexp.MustCompile(`AADSTS\d|ExpiredAuthenticationToken|InvalidAuthenticationToken|AuthenticationFailed`),
		"the Azure login does not hold any more: az login"},
	{"", regexp.MustCompile(`MissingSubscriptionRegistration|SubscriptionNotRegistered`),
		"register the resource provider that Azure names: az provider register --wait --namespace NAMESPACE"},
	{"", regexp.MustCompile(`RequestDisallowedByPolicy`),
		"an Azure Policy forbids it: do what the policy that Azure names asks for, or have its owner exempt the resource group"},
	{"", regexp.MustCompile(`ScopeLocked`),
		"a lock protects it: az lock list --resource-group GROUP, then az lock delete --ids ID"},
	{"", regexp.MustCompile(`ReadOnlyDisabledSubscription|SubscriptionNotFound|DisabledSubscription`),
		"this subscription takes no changes: choose another one (az account set --subscription NAME)"},

	{"pull", regexp.MustCompile(`AuthorizationFailed|Forbidden|RoleAssignmentUpdateNotPermitted`),
		"whoever deploys may not assign roles: have the role \"Role Based Access Control Administrator\" assigned, or do without: pulumi config set registry:adminUser true"},
	{"read-secrets", regexp.MustCompile(`AuthorizationFailed|Forbidden|RoleAssignmentUpdateNotPermitted`),
		"whoever deploys may not assign roles: have the role \"Role Based Access Control Administrator\" assigned, or do without a vault: pulumi config set secrets:store app"},
	{"", regexp.MustCompile(`PrincipalNotFound`),
		"the app's identity is not known everywhere yet: wait a minute"},
	{"", regexp.MustCompile(`RoleAssignmentLimitExceeded`),
		"the subscription has as many role assignments as it may: delete some that nobody uses (az role assignment list --all)"},
	{"", regexp.MustCompile(`AuthorizationFailed|LinkedAuthorizationFailed|Forbidden|does not have authorization`),
		"whoever deploys may not do this: have the role Contributor assigned on the subscription or the resource group, log in anew (az login) and wait some minutes"},

	{"vault", regexp.MustCompile(`in (a )?deleted state|SoftDeleted`),
		"a deleted vault keeps its name: az keyvault purge --name NAME"},
	{"", regexp.MustCompile(`already existing resource|ResourceAlreadyExists`),
		"it is there already, and not by this stack: delete it (az resource delete --ids ID), or take it over (pulumi import)"},
	{"", regexp.MustCompile(`AlreadyInUse|AlreadyExists|AlreadyTaken|Name(Is)?NotAvailable`),
		"the name is taken; it comes from subscription, project and stack: give the stack another name (pulumi stack init NAME)"},

	{"redis", regexp.MustCompile(`SkuNotAvailable|SKUNotSupported|NotAvailableForSubscription|InsufficientCapacity|AllocationFailed`),
		"this size is not to be had in the region: another one (pulumi config set redis:sku Balanced_B1), or another region (pulumi config set azure-native:location REGION)"},
	{"", regexp.MustCompile(`SkuNotAvailable|SKUNotSupported|NotAvailableForSubscription|InsufficientCapacity|AllocationFailed|HeavyUsage|LocationNotAvailable|LocationIsOfferRestricted|NoRegisteredProviderFound`),
		"the region does not have it, or has no room for it: take another one (pulumi config set azure-native:location REGION)"},
	{"", regexp.MustCompile(`Quota|MaxNumberOf|LimitExceeded|LimitReached`),
		"a quota is used up: delete what nobody uses, have it raised (Quotas in the portal), or take another region (pulumi config set azure-native:location REGION)"},

	{"", regexp.MustCompile(`Subnet|VnetConfiguration|NetworkConfiguration`),
		"the environment needs the whole subnet, /23 or larger and delegated to Microsoft.App/environments; one that was just deleted gives it back after up to half an hour"},
	{"", regexp.MustCompile(`TooManyRequests|RequestsThrottled|Status=429`),
		"Azure takes no more requests for now: wait some minutes"},
	{"app", regexp.MustCompile(`CustomHostName|CustomDomain|CertificateMissing|domain control`),
		"the DNS does not say what it must: pulumi stack output domainNext"},
	{"app", regexp.MustCompile(`(?i)unauthorized|pull.*image|image.*pull|MANIFEST_UNKNOWN`),
		"the image cannot be pulled: the right to do so may take some minutes to spread; else look at it: az acr repository list --name REGISTRY"},
	{"app", regexp.MustCompile(`ContainerAppOperationError|InvalidTemplate|RevisionProvision|(?i)failed to provision revision`),
		"the new revision does not start, and the others run on: go tool task logs says why"},
	{"", regexp.MustCompile(`OperationInProgress|AnotherOperation|OperationNotAllowed|ConcurrentRequest|Conflict`),
		"Azure is still at work on it: wait some minutes"},
	{"", regexp.MustCompile(`ResourceInUse|InUse|CannotBeDeleted|still being used`),
		"something else still uses it: delete what Azure names first, if it is not this stack's"},
	{"", regexp.MustCompile(`TimedOut|GatewayTimeout|ServerTimeout|deadline exceeded`),
		"Azure took too long, and may have done it all the same: pulumi refresh shows what there is"},
	{"", regexp.MustCompile(`InternalServerError|ServiceUnavailable|BadGateway|InternalError`),
		"Azure has a fault of its own: see https://status.azure.com and wait"},
	{"", regexp.MustCompile(`no such host|connection refused|connection reset|i/o timeout|handshake timeout|certificate signed by`),
		"Azure is not to be reached from this machine: look at its network and proxy"},

	{"group", nil, "see whether the subscription is the right one (az account show) and has the region (az account list-locations)"},
	{"logs", nil, "see whether the region has Log Analytics; logs:retentionDays is what this stack chooses of it"},
	{"identity", nil, "see whether the login may make identities (Contributor on the resource group)"},
	{"pull", nil, "do without the role: pulumi config set registry:adminUser true"},
	{"registry", nil, "see whether the region has the size registry:sku; Basic is everywhere"},
	{"redis-", nil, "see whether Redis is Running (az resource list --resource-group GROUP); while it is being made or changed, nothing in or beside it can be"},
	{"redis", nil, "see redis:kind and redis:sku: not every region has every kind and size"},
	{"network", nil, "see whether another network has its ranges or a policy asks for more; without network:private and network:zoneRedundant there is none"},
	{"environment", nil, "see whether the region has Container Apps, and zones if network:zoneRedundant is true; it is fixed when the environment is made"},
	{"vault", nil, "do without a vault: pulumi config set secrets:store app"},
	{"secret", nil, "see whether the vault is there (az keyvault list), or do without: pulumi config set secrets:store app"},
	{"read-secrets", nil, "do without a vault: pulumi config set secrets:store app"},
	{"certificate", nil, "see whether the DNS says what it must: pulumi stack output domainNext"},
	{"app", nil, "go tool task logs says why a revision does not start; go tool task status, which one has the traffic"},
	{"diagnostics", nil, "do without: pulumi config set logs:diagnostics false"},
	{"alert", nil, "do without: pulumi config rm alerts:email"},
	{"", nil, "Azure's message says why"},
}

// Remedy says what to do about a resource, named as in the program, that Azure refused to create, update or delete.
func Remedy(resource, operation, said string) string {
	for _, r := range remedies {
		if strings.HasPrefix(resource, r.of) && (r.said == nil || r.said.MatchString(said)) {
			return fmt.Sprintf("%s: %s failed. What to do: %s. Then run the same again: it goes on where this run stopped.", resource, operation, r.do)
		}
	}
	return "" // the last remedy fits everything
}

// tellRemedies has the engine say what to do when Azure refuses a resource, whoever runs the program. It sees no
// deletions by `pulumi destroy`, which does not run the program.
func tellRemedies(ctx *pulumi.Context) error {
	hook, err := ctx.RegisterErrorHook("remedy", func(args *pulumi.ErrorHookArgs) (retry bool, err error) {
		return false, ctx.Log.Error(Remedy(args.Name, args.FailedOperation, args.Errors[0]), nil)
	})
	if err != nil {
		return fmt.Errorf("register what to do about failures: %w", err)
	}
	binding := pulumi.ResourceHooks(&pulumi.ResourceHookBinding{OnError: []*pulumi.ErrorHook{hook}})
	return ctx.RegisterStackTransformation(func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(args.Opts, binding)}
	})
}
