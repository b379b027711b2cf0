package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
)

// The program's own declaration, as it is evaluated for this machine.
func TestDeclare(t *testing.T) {
	s := &services{
		ca:       newCA(t),
		registry: &imageRegistry{host: "127.0.0.1:5000"},
		redis:    &redis{host: "127.0.0.1", port: 6390, key: "k/+="},
		entra: &entra{
			authority: "https://127.0.0.1:7000",
			tenant:    "10000000-0000-4000-8000-000000000001", serverApp: "20000000-0000-4000-8000-000000000002",
		},
	}
	img := testImage(t, "x")
	app, err := declare(s, img, "https://127.0.0.1:8443")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := app.Container().Image, "127.0.0.1:5000/prynai-mcp@"+img.Digest; got != want {
		t.Errorf("image %s, want %s", got, want)
	}
	environment := app.Environment([]string{"LISTEN_ADDR=0.0.0.0:8000"})
	for name, want := range map[string]string{
		"REDIS_URL":                "rediss://default:k%2F+=@127.0.0.1:6390",
		"ENTRA_TENANT_ID":          s.entra.tenant,
		"ENTRA_AUDIENCES":          s.entra.serverApp + ",api://" + s.entra.serverApp,
		"ENTRA_AUTHORITY":          s.entra.authority,
		"ENTRA_REQUIRED_APP_ROLES": role,
		"AUTH_REQUIRED":            "true",
		"PUBLIC_URL":               "https://127.0.0.1:8443",
		"TLS_CA":                   s.ca.pem,
		"PRYNAI_ENV":               "local",
		"LISTEN_ADDR":              "0.0.0.0:8000",
	} {
		if got := strings.TrimSpace(environment[name]); got != strings.TrimSpace(want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !slices.Contains(app.Secrets(), environment["REDIS_URL"]) {
		t.Error("REDIS_URL is not a secret")
	}
	for _, kind := range []string{declaration.Startup, declaration.Liveness, declaration.Readiness} {
		if _, ok := app.Container().Probe(kind); !ok {
			t.Errorf("no %s probe", kind)
		}
	}
	if app.Replicas() < 2 || app.Grace() <= 0 {
		t.Error(app.Replicas(), app.Grace())
	}
}
