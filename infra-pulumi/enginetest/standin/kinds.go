package standin

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const (
	appType         = "Microsoft.App/containerApps"
	environmentType = "Microsoft.App/managedEnvironments"
	registryType    = "Microsoft.ContainerRegistry/registries"
	identityType    = "Microsoft.ManagedIdentity/userAssignedIdentities"
	workspaceType   = "Microsoft.OperationalInsights/workspaces"
	classicType     = "Microsoft.Cache/redis"
	managedType     = "Microsoft.Cache/redisEnterprise"
	databaseType    = "Microsoft.Cache/redisEnterprise/databases"
	roleType        = "Microsoft.Authorization/roleAssignments"
	certificateType = "Microsoft.App/managedEnvironments/managedCertificates"
	secretType      = "Microsoft.KeyVault/vaults/secrets"
)

// kind tells how a Pulumi type of azure-native maps to a type of Azure's.
type kind struct {
	arm        string   // Azure's type
	api        string   // its version where the token names none, as azure-native 2.90 has it
	url        []string // inputs that are in the URL and not in the body: parents first, own name last
	scope      string   // the input with the ID that an extension resource is put on
	located    bool     // has a location, from the provider's configuration unless it says one
	name       naming   // where the program gives none
	references [][]string
	replace    []string // inputs, beside those in the URL, that cannot be updated
}

// naming makes a physical name of a logical one.
type naming func(seed []byte, logical string) (string, error)

func random(seed []byte, logical string) (string, error) {
	return resource.NewUniqueName(seed, logical, 8, 0, nil)
}

func uuid(seed []byte, logical string) (string, error) {
	return guid(fmt.Sprintf("%x", sha256.Sum256(append(seed, logical...)))), nil
}

func same(_ []byte, logical string) (string, error) { return logical, nil }

// kinds is every resource that the stand-in knows, by module and name.
var kinds = map[string]kind{
	"resources:ResourceGroup": {arm: groupType, api: "2022-09-01",
		url: []string{"resourceGroupName"}, located: true, name: random},
	"containerregistry:Registry": {arm: registryType, api: "2022-12-01",
		url: []string{"registryName"}, located: true, name: random},
	"operationalinsights:Workspace": {arm: workspaceType, api: "2022-10-01",
		url: []string{"workspaceName"}, located: true, name: random},
	"app:ManagedEnvironment": {arm: environmentType, api: "2022-10-01",
		url: []string{"environmentName"}, located: true, name: random},
	"app:ContainerApp": {arm: appType, api: "2022-10-01",
		url: []string{"containerAppName"}, located: true, name: random, replace: []string{"environmentId"},
		references: [][]string{{"environmentId"}, {"managedEnvironmentId"}}},
	"app:ManagedCertificate": {arm: certificateType, api: "2022-10-01",
		url: []string{"environmentName", "managedCertificateName"}, located: true, name: random},
	"keyvault:Vault": {arm: "Microsoft.KeyVault/vaults", api: "2023-02-01",
		url: []string{"vaultName"}, located: true, name: random},
	"keyvault:Secret": {arm: secretType, api: "2023-02-01",
		url: []string{"vaultName", "secretName"}, name: random},
	"network:VirtualNetwork": {arm: "Microsoft.Network/virtualNetworks", api: "2023-02-01",
		url: []string{"virtualNetworkName"}, located: true, name: random},
	"network:PrivateEndpoint": {arm: "Microsoft.Network/privateEndpoints", api: "2023-02-01",
		url: []string{"privateEndpointName"}, located: true, name: random},
	"network:PrivateDnsZoneGroup": {arm: "Microsoft.Network/privateEndpoints/privateDnsZoneGroups", api: "2023-02-01",
		url: []string{"privateEndpointName", "privateDnsZoneGroupName"}, name: random},
	"network:PrivateZone": {arm: "Microsoft.Network/privateDnsZones", api: "2020-06-01",
		url: []string{"privateZoneName"}, located: true, name: random},
	"network:VirtualNetworkLink": {arm: "Microsoft.Network/privateDnsZones/virtualNetworkLinks", api: "2020-06-01",
		url: []string{"privateZoneName", "virtualNetworkLinkName"}, located: true, name: random, references: [][]string{{"virtualNetwork", "id"}}},
	"insights:ActionGroup": {arm: "Microsoft.Insights/actionGroups", api: "2023-01-01",
		url: []string{"actionGroupName"}, located: true, name: random},
	"insights:MetricAlert": {arm: "Microsoft.Insights/metricAlerts", api: "2018-03-01",
		url: []string{"ruleName"}, located: true, name: random},
	"insights:DiagnosticSetting": {arm: "Microsoft.Insights/diagnosticSettings", api: "2021-05-01-preview",
		url: []string{"name"}, scope: "resourceUri", name: random, references: [][]string{{"workspaceId"}}},
	"cache:Redis": {arm: classicType, api: "2023-04-01",
		url: []string{"name"}, located: true, name: random},
	"cache:RedisEnterprise": {arm: managedType, api: "2023-03-01-preview",
		url: []string{"clusterName"}, located: true, name: random},
	"cache:Database": {arm: databaseType, api: "2023-03-01-preview",
		url: []string{"clusterName", "databaseName"}, name: same, replace: []string{"clusteringPolicy"}},
	"managedidentity:UserAssignedIdentity": {arm: identityType, api: "2023-01-31",
		url: []string{"resourceName"}, located: true, name: random},
	"authorization:RoleAssignment": {arm: roleType, api: "2022-04-01",
		url: []string{"roleAssignmentName"}, scope: "scope", name: uuid, replace: []string{"principalId", "roleDefinitionId"}},
}

var versioned = regexp.MustCompile(`^([a-z]+)/v(\d{4})(\d\d)(\d\d)((?:preview)?)$`)

// kindOf reads a token such as azure-native:app/v20250101:ContainerApp.
func kindOf(token string) (kind, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return kind{}, fmt.Errorf("malformed token %q", token)
	}
	module, api := parts[1], ""
	if m := versioned.FindStringSubmatch(module); m != nil {
		module, api = m[1], m[2]+"-"+m[3]+"-"+m[4]
		if m[5] != "" {
			api += "-" + m[5]
		}
	}
	k, ok := kinds[module+":"+parts[2]]
	if !ok {
		return kind{}, fmt.Errorf("the stand-in has no resource %s: add it to its kinds", token)
	}
	if api != "" {
		k.api = api
	}
	return k, nil
}

func (k kind) ownName() string { return k.url[len(k.url)-1] }

// inURL tells whether an input is part of the URL and not of the body.
func (k kind) inURL(input string) bool {
	return input == "resourceGroupName" || input == k.scope || slices.Contains(k.url, input)
}

// replaces tells whether a change of an input needs another resource.
func (k kind) replaces(input string) bool {
	return k.inURL(input) || input == "location" || slices.Contains(k.replace, input)
}

// id is the resource's in a subscription, made of its inputs.
func (k kind) id(subscription string, inputs object) string {
	text := func(name string) string { s, _ := inputs[name].(string); return s }
	name := text(k.ownName())
	switch {
	case k.arm == groupType:
		return groupID(subscription, name)
	case k.scope != "":
		return text(k.scope) + "/providers/" + k.arm + "/" + name
	}
	segments := strings.Split(k.arm, "/")
	id := groupID(subscription, text("resourceGroupName")) + "/providers/" + segments[0]
	for i, input := range k.url {
		id += "/" + segments[i+1] + "/" + text(input)
	}
	return id
}

func groupID(subscription, name string) string {
	return "/subscriptions/" + subscription + "/resourceGroups/" + name
}
