package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// rule names an input by its path and says what it must be. A list of values: any of them.
type rule struct {
	path   string
	values []any
}

func must(path string, values ...any) rule { return rule{path, values} }

// policy is what each type of resource must be like: nothing is open to the anonymous, nothing goes unencrypted, TLS is
// 1.2 or newer. A type that is not listed fails the test: think about it, then list it.
var policy = map[string][]rule{
	"resources:ResourceGroup":       {},
	"containerregistry:Registry":    {must("anonymousPullEnabled", nil, false)},
	"operationalinsights:Workspace": {},
	"app:ManagedEnvironment":        {},
	"app:ContainerApp": {
		must("configuration.ingress.allowInsecure", false),
		must("configuration.ingress.transport", "http"), // HTTP/1.1 and 2 behind the ingress's TLS, which is 1.2 or newer
		must("identity.type", "UserAssigned"),
	},
	"cache:Redis": {
		must("enableNonSslPort", false), must("minimumTlsVersion", "1.2"),
		must("redisConfiguration.authnotrequired", nil, "false"),
	},
	"cache:RedisEnterprise":  {must("minimumTlsVersion", "1.2")},
	"cache:Database":         {must("clientProtocol", "Encrypted")},
	"app:ManagedCertificate": {},
	"network:VirtualNetwork": {}, "network:PrivateEndpoint": {}, "network:PrivateZone": {},
	"network:VirtualNetworkLink": {must("registrationEnabled", false)}, "network:PrivateDnsZoneGroup": {},
	"keyvault:Vault":       {must("properties.enableRbacAuthorization", true), must("properties.enableSoftDelete", true), must("properties.accessPolicies", nil)},
	"keyvault:Secret":      {},
	"insights:ActionGroup": {}, "insights:MetricAlert": {}, "insights:DiagnosticSetting": {must("storageAccountId", nil)},
	"managedidentity:UserAssignedIdentity": {},
	"authorization:RoleAssignment":         {must("principalType", "ServicePrincipal")},
}

// credential names inputs that hold one.
var credential = regexp.MustCompile(`(?i)(password|secret|token|credential|connectionstring|sharedkey|accesskey|privatekey)$`)

// notCredentials are inputs of such a name that hold none, whatever their value.
var notCredentials = []string{
	"passwordSecretRef", "secretRef", // names of secrets
}

func TestPolicy(t *testing.T) {
	for name, cfg := range configurations() {
		for _, r := range declaration(t, cfg).Resources {
			rules, known := policy[unversioned(r.Type)]
			if !known {
				t.Errorf("%s: no policy for %s", name, r.Type)
			}
			inputs := evaluate.Revealed(resource.NewProperty(r.Inputs))
			for _, rule := range rules {
				if got := at(inputs, rule.path); !slices.Contains(rule.values, got) {
					t.Errorf("%s: %s: %s is %v, want one of %v", name, r.Name, rule.path, got, rule.values)
				}
			}
			for _, path := range plainCredentials(r.Name, resource.NewProperty(r.Inputs)) {
				t.Errorf("%s: %s is plain", name, path)
			}
		}
	}
}

// A policy that cannot see a mistake proves nothing.
func TestPolicySeesCredentials(t *testing.T) {
	inputs := resource.NewPropertyMapFromMap(map[string]any{"a": []any{map[string]any{"adminPassword": "x", "secretRef": "name"}}})
	if got := fmt.Sprint(plainCredentials("r", resource.NewProperty(inputs))); got != "[r.a.0.adminPassword]" {
		t.Errorf("got %s", got)
	}
	inputs["a"] = resource.MakeSecret(inputs["a"])
	if got := plainCredentials("r", resource.NewProperty(inputs)); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// unversioned is module:Name of a token.
func unversioned(token string) string {
	module, name, _ := strings.Cut(strings.TrimPrefix(token, "azure-native:"), ":")
	module, _, _ = strings.Cut(module, "/")
	return module + ":" + name
}

func at(value any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// plainCredentials lists the inputs that are called like a credential and are not marked as secret.
func plainCredentials(path string, value resource.PropertyValue) (found []string) {
	switch {
	case value.IsObject():
		for key, v := range value.ObjectValue() {
			name := string(key)
			if v.IsString() && credential.MatchString(name) && !slices.Contains(notCredentials, name) {
				found = append(found, path+"."+name)
			}
			found = append(found, plainCredentials(path+"."+name, v)...)
		}
	case value.IsArray():
		for i, v := range value.ArrayValue() {
			found = append(found, plainCredentials(fmt.Sprintf("%s.%d", path, i), v)...)
		}
	}
	return found // what is secret is not looked into
}
