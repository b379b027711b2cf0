package stack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
)

func TestPreflight(t *testing.T) {
	for name, c := range map[string]struct {
		states map[string]string // other than Registered
		status int
		want   []string // in the error; none: it deploys
	}{
		"all registered": {},
		"one is not":     {states: map[string]string{"Microsoft.App": "NotRegistered"}, want: []string{"az provider register --wait --namespace Microsoft.App"}},
		"two are not": {states: map[string]string{"Microsoft.App": "NotRegistered", "Microsoft.Cache": "Unregistered"},
			want: []string{"az provider register --wait --namespace Microsoft.App", "az provider register --wait --namespace Microsoft.Cache"}},
		"one is on its way": {states: map[string]string{"Microsoft.App": "Registering"}, want: []string{"still registering Microsoft.App"}},
		"may not look":      {status: http.StatusForbidden},
		"a proxy answers":   {states: map[string]string{"Microsoft.App": "\"<html>"}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			asked := map[string]bool{}
			azure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				namespace := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
				mu.Lock()
				asked[namespace] = true
				mu.Unlock()
				if r.Header.Get("Authorization") != "Bearer an-azure-token" || r.URL.Query().Get("api-version") == "" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				state := c.states[namespace]
				if state == "" {
					state = "Registered"
				}
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_, _ = w.Write([]byte(`{"registrationState":"` + state + `"}`)) // the program sees a short answer
			}))
			defer azure.Close()
			t.Setenv("ARM_ENDPOINT", azure.URL)
			p := program()
			p.Registration = nil
			d, err := evaluate.Run(p.Deploy, evaluate.Options{Project: "p", Stack: "s", Config: minimal()})
			if len(c.want) == 0 && (err != nil || len(d.Resources) == 0) {
				t.Errorf("does not deploy: %v", err)
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			if c.status == 0 && !asked["Microsoft.ContainerRegistry"] && len(c.want) > 0 {
				t.Errorf("asked for %v", asked)
			}
		})
	}
}

// Each resource that is declared needs its resource provider.
func TestNamespaces(t *testing.T) {
	modules := map[string]string{
		"app": "Microsoft.App", "cache": "Microsoft.Cache", "containerregistry": "Microsoft.ContainerRegistry",
		"managedidentity": "Microsoft.ManagedIdentity", "operationalinsights": "Microsoft.OperationalInsights",
		"insights": "Microsoft.Insights", "network": "Microsoft.Network", "keyvault": "Microsoft.KeyVault",
		"resources": "", "authorization": "", // always there
	}
	for name, cfg := range configurations() {
		got, err := readSecret(t, cfg, secretKeys(), nothing)
		if err != nil {
			t.Fatal(err)
		}
		declared := map[string]bool{}
		for _, r := range declaration(t, cfg).Resources {
			module, _, _ := strings.Cut(strings.TrimPrefix(r.Type, "azure-native:"), ":")
			module, _, _ = strings.Cut(module, "/")
			namespace, known := modules[module]
			if !known {
				t.Errorf("%s: whose is %s?", name, r.Type)
			}
			if namespace != "" {
				declared[namespace] = true
			}
		}
		for _, namespace := range got.namespaces() {
			if !declared[namespace] {
				t.Errorf("%s: %s is asked for and not used", name, namespace)
			}
			delete(declared, namespace)
		}
		for namespace := range declared {
			t.Errorf("%s: %s is used and not asked for", name, namespace)
		}
	}
}
