package declaration

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const sound = `{
  "containerAppName": "app",
  "configuration": {
    "ingress": {"external": true, "targetPort": 8000, "transport": "http"},
    "secrets": [{"name": "redis-url", "value": "rediss://sesame"}]
  },
  "template": {
    "containers": [{
      "name": "server", "image": "127.0.0.1:5000/app@sha256:0",
      "env": [{"name": "REDIS_URL", "secretRef": "redis-url"}, {"name": "EMPTY", "value": ""}, {"name": "LEVEL", "value": "info"}],
      "probes": [
        {"type": "Startup", "httpGet": {"path": "/livez", "port": 8000}, "periodSeconds": 2},
        {"type": "Liveness", "httpGet": {"path": "/livez", "port": 8000}},
        {"type": "Readiness", "httpGet": {"path": "/readyz", "port": 8000}}
      ]
    }],
    "scale": {"minReplicas": 1, "maxReplicas": 5},
    "terminationGracePeriodSeconds": 60
  }
}`

func inputs(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestParse(t *testing.T) {
	app, err := Parse(inputs(t, sound))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"REDIS_URL": "rediss://sesame", "EMPTY": "", "LEVEL": "info", "OF_THE_IMAGE": "1"}
	if got := app.Environment([]string{"OF_THE_IMAGE=1", "LEVEL=debug"}); !maps.Equal(got, want) {
		t.Errorf("environment %v, want %v", got, want)
	}
	probe, _ := app.Container().Probe(Startup)
	if probe.PeriodSeconds != 2 || probe.TimeoutSeconds != 1 || probe.FailureThreshold != 3 || probe.SuccessThreshold != 1 {
		t.Errorf("a probe's defaults are not Azure's: %+v", probe)
	}
	if app.Replicas() != 2 || app.Grace() != time.Minute || !slices.Equal(app.Secrets(), []string{"rediss://sesame"}) {
		t.Error(app.Replicas(), app.Grace(), app.Secrets())
	}
}

// Each mistake is named, and no secret with it.
func TestProblems(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"tag instead of digest": {"app@sha256:0", "app:latest", `the image "127.0.0.1:5000/app:latest" is not named by its digest`},
		"undeclared secret":     {`"secretRef": "redis-url"`, `"secretRef": "redis"`, `REDIS_URL refers to the secret "redis", which is not declared`},
		"empty secret":          {`"value": "rediss://sesame"`, `"value": ""`, `the secret "redis-url" is empty`},
		"secret's name":         {`"name": "redis-url"`, `"name": "REDIS_URL"`, `the secret name "REDIS_URL" has more than`},
		"key vault":             {`"value": "rediss://sesame"`, `"keyVaultUrl": "https://v"`, "lives in a key vault"},
		"variable twice":        {`"name": "LEVEL"`, `"name": "EMPTY"`, "the variable EMPTY is declared twice"},
		"variable of nothing":   {`, "value": "info"`, "", "LEVEL has neither a value nor a secretRef"},
		"internal ingress":      {`"external": true`, `"external": false`, "the ingress is not external"},
		"no target port":        {`"targetPort": 8000, `, "", "targetPort is 0"},
		"transport":             {`"transport": "http"`, `"transport": "tcp"`, `transport is "tcp"`},
		"missing probe":         {`"Readiness"`, `"Liveness"`, "no Readiness probe is declared"},
		"probe's path":          {`"/readyz"`, `"readyz"`, `the Readiness probe's path is "readyz"`},
		"probe's threshold":     {`"periodSeconds": 2`, `"failureThreshold": 30`, "failureThreshold is 30; Azure takes 1 to 10"},
		"replicas":              {`"maxReplicas": 5`, `"maxReplicas": 0`, "maxReplicas is 0, fewer than minReplicas, 1"},
		"grace":                 {`Seconds": 60`, `Seconds": 6000`, "terminationGracePeriodSeconds is 6000; Azure takes 0 to 600"},
		"wrong type":            {`"targetPort": 8000`, `"targetPort": "http"`, "targetPort"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(sound, test.old, test.new, 1)
			if text == sound {
				t.Fatalf("%q is not in the declaration", test.old)
			}
			_, err := Parse(inputs(t, text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("a secret is in: %v", err)
			}
		})
	}
}
