package armtypes

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// shared holds Azure's types, where this repository has them beside it.
const shared = "../../../../shared/azure-types"

func TestCheck(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skipf("SKIPPED: Azure's types are not beside this repository, so nothing is checked against them: %v", err)
	}
	set, err := Load(os.DirFS(shared))
	if err != nil {
		t.Fatal(err)
	}
	const app, registry, managed = "Microsoft.App/containerApps", "Microsoft.ContainerRegistry/registries", "Microsoft.Cache/redisEnterprise"
	tests := []struct {
		name, resource, api, body string
		want                      string // nothing: the body is right
	}{
		{"right", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"configuration":{"ingress":{"targetPort":8000,"transport":"http"}}}}`, ""},
		{"wrong case", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"configuration":{"ingress":{"targetport":8000}}}}`, "properties.configuration.ingress.targetport: is not a property of this API version (did you mean targetPort?)"},
		{"required within an object", app, "2022-10-01", `{"name":"a-b","location":"x","properties":{"configuration":{"ingress":{"corsPolicy":{}}}}}`, "properties.configuration.ingress.corsPolicy.allowedOrigins: is required"},
		{"property of a later version", app, "2022-10-01", `{"name":"a-b","location":"x","properties":{"configuration":{"ingress":{"stickySessions":{}}}}}`, "stickySessions: is not a property"},
		{"required at the top", app, "2025-01-01", `{"name":"a-b","properties":{}}`, "location: is required"},
		{"plain secret", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"configuration":{"secrets":[{"name":"x","value":"clear"}]}}}`, "properties.configuration.secrets[0].value: is sensitive but not marked as a secret"},
		{"read-only", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"latestRevisionName":"x"}}`, "is read-only"},
		{"text for a number", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"template":{"scale":{"maxReplicas":"3"}}}}`, "want a number, got string"},
		{"half a core", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"template":{"containers":[{"resources":{"cpu":0.5}}]}}}`, ""},
		{"above a described maximum", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"template":{"containers":[{"probes":[{"failureThreshold":30,"httpGet":{"port":8000}}]}]}}}`, "30 is more than the maximum 10"},
		{"below a described range", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"template":{"containers":[{"probes":[{"httpGet":{"port":0}}]}]}}}`, "0 is less than the minimum 1"},
		{"closed enumeration", app, "2025-01-01", `{"name":"a-b","location":"x","properties":{"template":{"containers":"none"}}}`, "want an array"},
		{"pattern", registry, "2023-07-01", `{"name":"has-hyphen","location":"x","sku":{"name":"Basic"}}`, "name: does not match"},
		{"required object", registry, "2023-07-01", `{"name":"images1","location":"x"}`, "sku: is required"},
		{"length by lookahead", managed, "2025-04-01", `{"name":"` + strings.Repeat("r", 61) + `","location":"x","sku":{"name":"Balanced_B0"}}`, "name: does not match ^.{1,60}$"},
		{"pattern beside a lookahead", managed, "2025-04-01", `{"name":"under_score","location":"x","sku":{"name":"Balanced_B0"}}`, "name: does not match"},
		{"required since a version", managed, "2025-07-01", `{"name":"r","location":"x","sku":{"name":"Balanced_B0"},"properties":{}}`, "properties.publicNetworkAccess: is required"},
		{"at the top instead of in properties", "Microsoft.Cache/redis", "2024-11-01", `{"name":"r","location":"x","sku":{"name":"Basic"}}`, "sku: is not a property"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resource, ok := set.Resource(test.resource, test.api)
			if !ok {
				t.Fatalf("no type %s@%s", test.resource, test.api)
			}
			var body map[string]any
			if err := json.Unmarshal([]byte(test.body), &body); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(resource.Check(body))
			if test.want == "" && got != "[]" || !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q", got, test.want)
			}
		})
	}
}

// tiny is a types file small enough to read.
const tiny = `[
	{"$type":"StringType","sensitive":true},
	{"$type":"StringLiteralType","value":"on"},
	{"$type":"StringLiteralType","value":"off"},
	{"$type":"UnionType","elements":[{"$ref":"#/1"},{"$ref":"#/2"}]},
	{"$type":"ObjectType","properties":{
		"key":{"type":{"$ref":"#/0"},"flags":1},
		"mode":{"type":{"$ref":"#/3"},"flags":0}}},
	{"$type":"ResourceType","name":"Test.Thing/things@2025-01-01","body":{"$ref":"#/4"}}]`

func TestMarks(t *testing.T) {
	set, err := Load(fstest.MapFS{"tiny.json": {Data: []byte(tiny)}})
	if err != nil {
		t.Fatal(err)
	}
	thing, ok := set.Resource("test.thing/THINGS", "2025-01-01")
	if !ok || !thing.Has("mode") || thing.Has("other") || !thing.Requires("key") || thing.Requires("mode") {
		t.Fatalf("got %+v, %v", thing, ok)
	}
	for want, body := range map[string]map[string]any{
		"[]": {"key": Secret{"k"}, "mode": "on"},
		"[key: is sensitive but not marked as a secret]": {"key": "k"},
		"[mode: dim is not one of on, off]":              {"key": Unknown{}, "mode": "dim"},
		"[key: is required]":                             {"mode": Secret{Unknown{}}},
	} {
		if got := fmt.Sprint(thing.Check(body)); got != want {
			t.Errorf("%v: got %s, want %s", body, got, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"no JSON":            `{`,
		"a broken reference": `[{"$type":"ArrayType","itemType":{"$ref":"#/7"}}]`,
		"no reference":       `[{"$type":"ArrayType","itemType":{"$ref":"seven"}}]`,
		"a broken pattern":   `[{"$type":"StringType","pattern":"("}]`,
		"no body":            `[{"$type":"ResourceType","name":"x"}]`,
	} {
		if _, err := Load(fstest.MapFS{"x.json": {Data: []byte(file)}}); err == nil || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	if _, err := Load(fstest.MapFS{}); err == nil {
		t.Error("a folder without types was accepted")
	}
}
