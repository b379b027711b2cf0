package standin

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

const (
	groupToken       = "azure-native:resources:ResourceGroup"
	environmentToken = "azure-native:app/v20250101:ManagedEnvironment"
	appToken         = "azure-native:app/v20250101:ContainerApp"
	registryToken    = "azure-native:containerregistry/v20230701:Registry"
	roleToken        = "azure-native:authorization:RoleAssignment"
)

// fixture is a cloud and the provider that the engine would talk to.
type fixture struct {
	*testing.T
	cloud    *Cloud
	provider *provider
}

func newFixture(t *testing.T, o Options) fixture {
	f := fixture{t, New(o), nil}
	f.provider = &provider{cloud: f.cloud}
	location := resource.PropertyMap{"location": resource.NewProperty("westeurope")}
	if _, err := f.provider.Configure(t.Context(), plugin.ConfigureRequest{Inputs: location}); err != nil {
		t.Fatal(err)
	}
	return f
}

// create does what the engine does for a new resource.
func (f fixture) create(token, name string, inputs object) (plugin.CreateResponse, error) {
	f.Helper()
	checked, err := f.provider.Check(f.Context(), plugin.CheckRequest{Type: tokens.Type(token), Name: name, News: withMarks(inputs)})
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if len(checked.Failures) > 0 {
		return plugin.CreateResponse{}, fmt.Errorf("%v", checked.Failures)
	}
	return f.provider.Create(f.Context(), plugin.CreateRequest{Type: tokens.Type(token), Name: name, Properties: checked.Properties})
}

func (f fixture) mustCreate(token, name string, inputs object) plugin.CreateResponse {
	f.Helper()
	made, err := f.create(token, name, inputs)
	if err != nil {
		f.Fatal(err)
	}
	return made
}

// group makes a group with an environment.
func (f fixture) group() (environmentID string) {
	f.Helper()
	f.mustCreate(groupToken, "group", object{"resourceGroupName": "g"})
	return string(f.mustCreate(environmentToken, "environment", object{"resourceGroupName": "g", "environmentName": "e"}).ID)
}

// withMarks is properties with secrets.
func withMarks(m object) resource.PropertyMap {
	return resource.NewPropertyMapFromMapRepl(m, nil, func(v any) (resource.PropertyValue, bool) {
		s, ok := v.(armtypes.Secret)
		if !ok {
			return resource.PropertyValue{}, false
		}
		return resource.MakeSecret(resource.NewPropertyValue(s.Value)), true
	})
}

func appInputs(environmentID string) object {
	return object{
		"resourceGroupName": "g", "containerAppName": "a", "environmentId": environmentID,
		"configuration": object{
			"ingress": object{"targetPort": 8000.0},
			"secrets": []any{object{"name": "key", "value": armtypes.Secret{Value: "hush"}}},
		},
		"template": object{"containers": []any{object{"name": "server", "image": "one"}}},
	}
}

func TestOrderOfResources(t *testing.T) {
	f := newFixture(t, Options{})
	if _, err := f.create(environmentToken, "environment", object{"resourceGroupName": "g"}); err == nil || !strings.Contains(err.Error(), "resourceGroups/g' was not found") {
		t.Errorf("an environment without its group: %v", err)
	}
	environment := f.group()
	if _, err := f.create(appToken, "app", appInputs(environment+"-other")); err == nil || !strings.Contains(err.Error(), "e-other' was not found") {
		t.Errorf("an app without its environment: %v", err)
	}
	app := f.mustCreate(appToken, "app", appInputs(environment))
	if _, err := f.create(appToken, "app", appInputs(environment)); err == nil || !strings.Contains(err.Error(), "already existing") {
		t.Errorf("an app that exists: %v", err)
	}
	registry := f.mustCreate(registryToken, "registry", object{"resourceGroupName": "g"})
	role := f.mustCreate(roleToken, "pull", object{"scope": string(registry.ID), "principalId": "p", "roleDefinitionId": "r"})
	if want := string(registry.ID) + "/providers/Microsoft.Authorization/roleAssignments/"; !strings.HasPrefix(string(role.ID), want) {
		t.Errorf("the role's ID is %s, want it on %s", role.ID, want)
	}
	remove := func(id string) error {
		_, err := f.provider.Delete(t.Context(), plugin.DeleteRequest{ID: resource.ID(id)})
		return err
	}
	if err := remove(environment); err == nil || !strings.Contains(err.Error(), "in use by") {
		t.Errorf("deleted an environment with an app: %v", err)
	}
	if err := errors.Join(remove(string(app.ID)), remove(environment), remove(groupID(f.cloud.options.Subscription, "g"))); err != nil {
		t.Error(err)
	}
	if left := f.cloud.Resources(); len(left) > 0 {
		t.Errorf("left after the group: %v", left)
	}
}

func TestCheck(t *testing.T) {
	const shared = "../../../../shared/azure-types"
	if _, err := os.Stat(shared); err != nil {
		t.Skipf("SKIPPED: Azure's types are not beside this repository: %v", err)
	}
	types, err := armtypes.Load(os.DirFS(shared))
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, Options{Types: types})
	environment := f.group()
	wrong := appInputs(environment)
	wrong["configuration"].(object)["ingress"].(object)["targetPort"] = "8000"
	if _, err := f.create(appToken, "app", wrong); err == nil || !strings.Contains(err.Error(), "configuration.ingress.targetPort") || !strings.Contains(err.Error(), "Microsoft.App/containerApps@2025-01-01") {
		t.Errorf("text for a port: %v", err)
	}
	identified := appInputs(environment)
	identified["identity"] = object{"type": "UserAssigned", "userAssignedIdentities": []any{"/some/id"}}
	f.mustCreate(appToken, "app", identified)
	if got := f.cloud.Unchecked(); len(got) > 0 {
		t.Errorf("unchecked: %v", got)
	}
	redis := object{"resourceGroupName": "g", "sku": object{"name": "Basic", "family": "C", "capacity": 0.0},
		"redisConfiguration": object{"maxmemoryReserved": 50.0}}
	if _, err := f.create("azure-native:cache/v20241101:Redis", "redis", redis); err == nil || !strings.Contains(err.Error(), "maxmemory-reserved") {
		t.Errorf("a number for a setting of Redis: %v", err)
	}
	if _, err := f.create("azure-native:containerregistry/v19990101:Registry", "registry", object{"resourceGroupName": "g"}); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(f.cloud.Unchecked()); got != "[Microsoft.ContainerRegistry/registries@1999-01-01]" {
		t.Errorf("unchecked: %s", got)
	}
	if _, err := f.create("azure-native:web:Site", "site", nil); err == nil || !strings.Contains(err.Error(), "no resource azure-native:web:Site") {
		t.Errorf("a type that is not known: %v", err)
	}
}

func TestNamesStay(t *testing.T) {
	f := newFixture(t, Options{})
	check := func(olds resource.PropertyMap) resource.PropertyMap {
		r, err := f.provider.Check(t.Context(), plugin.CheckRequest{Type: groupToken, Name: "group", Olds: olds, News: resource.PropertyMap{}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Properties
	}
	first := check(nil)
	if name := first["resourceGroupName"].StringValue(); len(name) != len("group")+8 {
		t.Errorf("the name is %q", name)
	}
	if first["location"].StringValue() != "westeurope" {
		t.Errorf("got %v", first)
	}
	if second := check(first); !second.DeepEquals(first) {
		t.Errorf("got %v, then %v", first, second)
	}
}

func TestSecretsAreNotReadBack(t *testing.T) {
	f := newFixture(t, Options{})
	inputs := appInputs(f.group())
	made := f.mustCreate(appToken, "app", inputs)
	secrets := made.Properties["configuration"].ObjectValue()["secrets"]
	if !secrets.IsSecret() || strings.Contains(fmt.Sprint(plain(marked(secrets))), "hush") {
		t.Errorf("the secrets are answered as %v", secrets)
	}
	if fqdn := made.Properties["configuration"].ObjectValue()["ingress"].ObjectValue()["fqdn"]; fqdn.StringValue() != "a.stand-in.azurecontainerapps.example" {
		t.Errorf("the host is %v", fqdn)
	}
}

func TestPreviewForeseesWhatIsGiven(t *testing.T) {
	f := newFixture(t, Options{})
	r, err := f.provider.Create(t.Context(), plugin.CreateRequest{Type: appToken, Name: "app", Preview: true, Properties: withMarks(appInputs("/e"))})
	if err != nil {
		t.Fatal(err)
	}
	ingress := r.Properties["configuration"].ObjectValue()["ingress"].ObjectValue()
	if !ingress["fqdn"].IsComputed() || ingress["targetPort"].NumberValue() != 8000 || !r.Properties["latestRevisionName"].IsComputed() {
		t.Errorf("got %v", r.Properties)
	}
	if len(f.cloud.Resources()) > 0 {
		t.Error("a preview made something")
	}
}

func TestDrift(t *testing.T) {
	f := newFixture(t, Options{})
	inputs := withMarks(appInputs(f.group()))
	made := f.mustCreate(appToken, "app", appInputs(inputs["environmentId"].StringValue()))
	read := func() plugin.ReadResponse {
		r, err := f.provider.Read(t.Context(), plugin.ReadRequest{ID: made.ID, Inputs: inputs, State: made.Properties})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got := read(); !got.Inputs.DeepEquals(inputs) {
		t.Errorf("nothing changed, but the inputs are %v", got.Inputs)
	}
	if err := f.cloud.Change("app", func(in map[string]any) { in["configuration"].(object)["ingress"].(object)["targetPort"] = 9000.0 }); err != nil {
		t.Fatal(err)
	}
	configuration := read().Inputs["configuration"].ObjectValue()
	if got := configuration["ingress"].ObjectValue(); got["targetPort"].NumberValue() != 9000 || got.HasValue("fqdn") {
		t.Errorf("the ingress is %v", got)
	}
	if got := fmt.Sprint(plain(marked(configuration["secrets"]))); !strings.Contains(got, "hush") {
		t.Errorf("the secrets drifted to %s", got)
	}
	if err := f.cloud.Remove("app"); err != nil {
		t.Fatal(err)
	}
	if got := read(); got.ID != "" {
		t.Errorf("what is gone is read as %v", got)
	}
	if err := f.cloud.Remove("app"); err == nil {
		t.Error("removed it twice")
	}
}

func TestFunctions(t *testing.T) {
	f := newFixture(t, Options{})
	f.group()
	call := func(token string, args object) (object, error) { return f.cloud.call("azure-native:"+token, args) }
	arguments := object{"resourceGroupName": "g", "registryName": "r"}
	const credentials = "containerregistry:listRegistryCredentials"
	if _, err := call(credentials, arguments); err == nil || !strings.Contains(err.Error(), "was not found") {
		t.Errorf("a registry that is not there: %v", err)
	}
	registry := object{"resourceGroupName": "g", "registryName": "r"}
	f.mustCreate(registryToken, "registry", registry)
	if _, err := call(credentials, arguments); err == nil || !strings.Contains(err.Error(), "admin user is disabled") {
		t.Errorf("an admin user that is off: %v", err)
	}
	if err := f.cloud.Change("registry", func(in map[string]any) { in["adminUserEnabled"] = true }); err != nil {
		t.Fatal(err)
	}
	got, err := call(credentials, arguments)
	if err != nil {
		t.Fatal(err)
	}
	password := got["passwords"].([]any)[0].(object)["value"].(string)
	if !f.cloud.Login("r", password) || f.cloud.Login("r", "guess") || f.cloud.Login("other", password) {
		t.Error("the registry does not tell its user from others")
	}
	if !strings.Contains(fmt.Sprint(f.cloud.Secrets()), password) {
		t.Error("the password is not among the secrets")
	}
	if err := f.cloud.Rotate("registry"); err != nil {
		t.Fatal(err)
	}
	if f.cloud.Login("r", password) {
		t.Error("a password outlived its rotation")
	}
	if _, err := call("cache:listRedisKeys", object{"name": armtypes.Unknown{}}); err == nil || !strings.Contains(err.Error(), "unknown name") {
		t.Errorf("an unknown argument: %v", err)
	}
	if _, err := call("cache:getRedis", nil); err == nil {
		t.Error("answered a function that is not known")
	}
}

func TestFailureOnce(t *testing.T) {
	boom := errors.New("boom")
	for late, resources := range map[bool]int{false: 0, true: 1} {
		f := newFixture(t, Options{})
		f.cloud.Fail(Create, "group", Failure{Err: boom, Late: late})
		if _, err := f.create(groupToken, "group", object{"resourceGroupName": "g"}); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("late %v: got %v", late, err)
		}
		if got := len(f.cloud.Resources()); got != resources {
			t.Errorf("late %v: %d resources, want %d", late, got, resources)
		}
		if left := f.cloud.Failures(Create); len(left) > 0 {
			t.Errorf("late %v: still to fail: %v", late, left)
		}
	}
}

func TestDiff(t *testing.T) {
	f := newFixture(t, Options{})
	inputs := withMarks(appInputs("/e"))
	for name, test := range map[string]struct {
		key   resource.PropertyKey
		value string
		want  string
	}{
		"nothing":         {"environmentId", "/e", "[] []"},
		"a new tag":       {"tags", "t", "[tags] []"},
		"another name":    {"containerAppName", "b", "[containerAppName] [containerAppName]"},
		"another region":  {"location", "x", "[location] [location]"},
		"another network": {"environmentId", "/f", "[environmentId] [environmentId]"},
	} {
		news := maps.Clone(inputs)
		news[test.key] = resource.NewProperty(test.value)
		got, err := f.provider.Diff(t.Context(), plugin.DiffRequest{Type: appToken, OldInputs: inputs, NewInputs: news})
		if err != nil {
			t.Fatal(err)
		}
		if s := fmt.Sprint(got.ChangedKeys, got.ReplaceKeys); s != test.want {
			t.Errorf("%s: got %s, want %s", name, s, test.want)
		}
	}
}
