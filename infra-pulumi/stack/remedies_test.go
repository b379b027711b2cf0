package stack

import (
	"strings"
	"testing"
)

// What Azure says leads to what to do about it, with the setting of the resource that it is about.
func TestRemedy(t *testing.T) {
	for _, test := range []struct{ resource, said, do string }{
		{"group", `Code="AuthorizationFailed" Message="The client does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourcegroups/write'."`, "Contributor"},
		{"pull", `Code="AuthorizationFailed" Message="… does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'."`, "registry:adminUser true"},
		{"read-secrets", `Code="AuthorizationFailed" Message="…"`, "secrets:store app"},
		{"registry", "RESPONSE 403: 403 Forbidden\nERROR CODE: RequestDisallowedByPolicy", "Azure Policy"},
		{"redis", `Code="ScopeLocked" Message="… Please remove the lock and try again."`, "az lock"},
		{"environment", "AADSTS700082: The refresh token has expired due to inactivity.", "az login"},
		{"environment", `Code="MissingSubscriptionRegistration"`, "az provider register"},
		{"environment", `Code="ManagedEnvironmentInvalidNetworkConfiguration" Message="The subnet must be at least /23."`, "/23"},
		{"environment", `Code="MaxNumberOfRegionalEnvironmentsInSubExceeded"`, "quota"},
		{"redis", `Code="SkuNotAvailable"`, "redis:sku"},
		{"logs", `Code="LocationNotAvailableForResourceType"`, "azure-native:location"},
		{"registry", `Code="AlreadyInUse" Message="The registry DNS name prynaimcp is already in use."`, "pulumi stack init"},
		{"registry", "cannot create already existing resource '/subscriptions/…'", "pulumi import"},
		{"vault", `Code="ConflictError" Message="A vault with the same name already exists in deleted state."`, "az keyvault purge"},
		{"vault", `Code="VaultAlreadyExists"`, "pulumi stack init"},
		{"app", `Code="ContainerAppOperationError" Message="Failed to provision revision for container app."`, "go tool task logs"},
		{"app", `Code="ContainerAppOperationError" Message="… DENIED: … UNAUTHORIZED: authentication required …"`, "be pulled"},
		{"app", `Code="InvalidCustomHostNameValidation"`, "domainNext"},
		{"app", `Code="ContainerAppOperationInProgress"`, "wait"},
		{"redis-database", `Code="TooManyRequests"`, "wait"},
		{"redis", `Code="OperationTimedOut"`, "pulumi refresh"},
		{"redis", "dial tcp: lookup management.azure.com: no such host", "proxy"},
		{"redis", `Code="Unheard"`, "redis:kind"},
		{"redis-database", `Code="Unheard"`, "Running"},
	} {
		got := Remedy(test.resource, "create", test.said)
		if !strings.HasPrefix(got, test.resource+": create failed. What to do: ") || !strings.Contains(got, test.do) {
			t.Errorf("%s, %s:\ngot %s\nwant %s", test.resource, test.said, got, test.do)
		}
	}
}

// Each resource of each configuration has something to do about it where Azure says what nobody has heard yet.
func TestEveryResourceHasARemedy(t *testing.T) {
	last := remedies[len(remedies)-1].do
	for name, cfg := range configurations() {
		for _, r := range declaration(t, cfg).Resources {
			if strings.HasPrefix(r.Type, "azure-native:") && strings.Contains(Remedy(r.Name, "create", `Code="Unheard"`), last) {
				t.Errorf("%s: nothing to do about %s", name, r.Name)
			}
		}
	}
}
