package stack

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack/evaluate"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// read reads a configuration as the program would.
func read(t *testing.T, values map[string]string, getenv func(string) string) (cfg *config, err error) {
	t.Helper()
	return readSecret(t, values, nil, getenv)
}

// readSecret has some of the values stored as secrets.
func readSecret(t *testing.T, values map[string]string, secrets []string, getenv func(string) string) (cfg *config, err error) {
	t.Helper()
	_, _ = evaluate.Run(func(ctx *pulumi.Context) error { // the program cannot fail otherwise
		cfg, err = readConfig(ctx, getenv)
		return nil
	}, evaluate.Options{Project: "prynai-mcp", Stack: "dev", Config: values, SecretConfig: secrets})
	return cfg, err
}

func nothing(string) string { return "" }

func TestEachMistakeIsNamed(t *testing.T) {
	mistakes := []struct{ key, value string }{
		{"azure-native:location", ""}, {"azure-native:location", "west/europe"},
		{"azure-native:environment", "azureusgovernment"},
		{"entra:tenantId", ""}, {"entra:tenantId", "contoso.onmicrosoft.com"},
		{"entra:serverAppId", ""}, {"entra:serverAppId", "api://x"},
		{"entra:audiences", "not a uri"}, {"entra:audiences", "https://ok.example.com,"},
		{"entra:requiredScopes", "Mcp.Use, "}, {"entra:requiredScopes", "two words"},
		{"entra:requiredAppRoles", "two words"},
		{"entra:authority", "http://login.microsoftonline.com"}, {"entra:authority", "https://login.microsoftonline.com/common"},
		{"redis:kind", "cluster"},
		{"redis:kind", "existing"},
		{"redis:url", "rediss://redis.example.com"}, {"redis:url", "redis://redis.example.com"}, {"redis:url", "redis.example.com"},
		{"redis:key", "both"},
		{"redis:replicated", "once"},
		{"redis:sku", "Basic_C0"}, {"redis:sku", "Balanced_B"},
		{"data:protect", "yes"}, {"network:zoneRedundant", "1"}, {"network:private", "no"}, {"secrets:store", "file"},
		{"logs:retentionDays", "7"}, {"logs:retentionDays", "731"}, {"logs:diagnostics", "all"},
		{"alerts:email", "operations"}, {"alerts:email", "a@example.com,"},
		{"telemetry:endpoint", "http://otlp.example.com"}, {"telemetry:endpoint", "otlp.example.com:4318"}, {"telemetry:endpoint", "https://otlp.example.com?key=k"},
		{"telemetry:headers", "Authorization"}, {"telemetry:headers", "key="}, {"telemetry:headers", "key=value,"}, {"telemetry:headers", "key=%2"}, {"telemetry:headers", "a key=value"},
		{"telemetry:sampling", "10%"}, {"telemetry:sampling", "1.5"}, {"telemetry:sampling", "NaN"},
		{"domain:name", "https://mcp.example.com"}, {"domain:name", "mcp"}, {"domain:step", "done"},
		{"registry:sku", "Free"}, {"registry:adminUser", "yes"},
		{"server:cpu", "half"}, {"server:cpu", "0.3"}, {"server:cpu", "8"}, {"server:cpu", "0"}, {"server:cpu", "NaN"},
		{"server:memory", "2Gi"}, {"server:memory", "1024Mi"},
		{"server:minReplicas", "0"}, {"server:minReplicas", "one"}, {"server:minReplicas", "1001"},
		{"server:maxReplicas", "0"}, {"server:maxReplicas", "1001"},
		{"server:concurrentRequests", "0"}, {"server:concurrentRequests", "-1"},
		{"server:publicUrl", "mcp.example.com"}, {"server:publicUrl", "http://mcp.example.com"}, {"server:publicUrl", "https://mcp.example.com/mcp"},
		{"server:corsAllowOrigins", "app.example.com"}, {"server:corsAllowOrigins", "https://a.example.com,*"}, {"server:corsAllowOrigins", "https://a.example.com/"},
		{"server:allowedHosts", "https://mcp.example.com"},
		{"server:logLevel", "verbose"},
		{"server:sessionIdle", "30"}, {"server:sessionIdle", "1s"}, {"server:sessionIdle", "200h"},
		{"server:tlsCa", "ca.pem"}, {"server:tlsCa", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
	}
	for _, s := range settings {
		if !slices.ContainsFunc(mistakes, func(m struct{ key, value string }) bool { return m.key == s.key }) {
			t.Errorf("no mistake in %s is tried", s.key)
		}
	}
	for _, m := range mistakes {
		t.Run(m.key+"="+m.value, func(t *testing.T) {
			values := minimal()
			values[m.key] = m.value
			switch m.key {
			case "redis:url":
				values["redis:kind"] = existingRedis
			case "telemetry:headers":
				values["telemetry:endpoint"] = "https://otlp.example.com"
			case "domain:name":
				values["domain:step"] = domainDNS
			case "domain:step":
				values["domain:name"] = "mcp.example.com"
			}
			_, err := read(t, values, nothing)
			if err == nil {
				t.Fatal("accepted")
			}
			key := m.key
			if m.value == "existing" {
				key = "redis:url" // is what misses
			}
			if want := "pulumi config set " + key + " "; strings.Count(err.Error(), "pulumi config set") != 1 || !strings.Contains(err.Error(), want) {
				t.Errorf("want %s and nothing else, got\n%v", want, err)
			}
		})
	}
}

// TestNoOtherSettings holds the program to the settings, each of which is tried above: it reads no other value.
func TestNoOtherSettings(t *testing.T) {
	reads := regexp.MustCompile(`GetConfig\(([^)]*)\)|pulumi/sdk/v3/go/pulumi/config"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") {
			found = append(found, reads.FindAllString(string(source), -1)...)
		}
	}
	if got := strings.Join(found, ", "); got != "GetConfig(s.key)" {
		t.Errorf("the configuration is read by %s, want GetConfig(s.key) alone, for each of the settings", got)
	}
}

// TestReplicationOfAnotherRedis: a setting that would decide nothing is refused.
func TestReplicationOfAnotherRedis(t *testing.T) {
	values := with(map[string]string{"redis:kind": "classic", "redis:replicated": "false"})
	if _, err := read(t, values, nothing); err == nil || !strings.Contains(err.Error(), "pulumi config set redis:kind managed") {
		t.Errorf("got %v", err)
	}
}

func TestEveryExampleIsAccepted(t *testing.T) {
	for _, s := range settings {
		if s.key == "server:tlsCa" {
			continue // the example has the shell read a file
		}
		values := minimal()
		values[s.key] = s.example
		var secrets []string
		if s.secret {
			secrets = append(secrets, s.key)
		}
		switch s.key {
		case "redis:url":
			values["redis:kind"] = "existing"
		case "telemetry:headers":
			values["telemetry:endpoint"] = "https://otlp.example.com"
		case "domain:name":
			values["domain:step"] = "dns"
		case "domain:step":
			values["domain:name"] = "mcp.example.com"
		}
		if _, err := readSecret(t, values, secrets, nothing); err != nil {
			t.Errorf("%s=%s: %v", s.key, s.example, err)
		}
	}
}

// The table of settings is for the documentation.
func TestSettingsTable(t *testing.T) {
	var got strings.Builder
	got.WriteString("| setting | default | in `.env` | what is wanted |\n|---|---|---|---|\n")
	for _, s := range settings {
		initial, fallback := "", ""
		switch {
		case s.required:
			initial = "must be set"
		case s.initial != "":
			initial = "`" + s.initial + "`"
		}
		if s.fallback != "" {
			fallback = "`" + s.fallback + "`"
		}
		fmt.Fprintf(&got, "| `%s` | %s | %s | %s |\n", s.key, initial, fallback, s.want)
	}
	if *update {
		if err := os.WriteFile("settings.md", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile("settings.md"); err != nil || string(want) != got.String() {
		t.Errorf("settings.md is not the table of the settings (%v): run go test -update", err)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := read(t, map[string]string{
		"server:cpu": "3.1", "redis:kind": "classic", "redis:sku": "Balanced_B0", "server:minReplicas": "6", "server:maxReplicas": "2",
	}, nothing)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{"azure-native:location", "entra:tenantId", "entra:serverAppId", "server:cpu", "redis:sku", "server:maxReplicas"} {
		if !strings.Contains(err.Error(), "pulumi config set "+key) {
			t.Errorf("%s is not named:\n%v", key, err)
		}
	}
}

func TestTelemetryHeadersNeedACollector(t *testing.T) {
	_, err := readSecret(t, with(map[string]string{"telemetry:headers": "key=hush-hush"}), []string{"telemetry:headers"}, nothing)
	if err == nil || !strings.Contains(err.Error(), "pulumi config set telemetry:endpoint ") || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("got %v", err)
	}
	_, err = read(t, with(map[string]string{"telemetry:headers": "key=hush-hush", "telemetry:endpoint": "https://otlp.example.com"}), nothing)
	if err == nil || !strings.Contains(err.Error(), "telemetry:headers is not stored as a secret") || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("got %v", err)
	}
}

func TestSecretValueIsNotShown(t *testing.T) {
	values := minimal()
	values["server:logLevel"] = "hush-hush"
	_, err := evaluate.Run(program().Deploy, evaluate.Options{Project: "p", Stack: "dev", Config: values, SecretConfig: []string{"server:logLevel"}})
	if err == nil || strings.Contains(err.Error(), "hush-hush") || !strings.Contains(err.Error(), "server:logLevel") {
		t.Errorf("got %v", err)
	}
}

func TestDefaults(t *testing.T) {
	cfg, err := read(t, minimal(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.redisKind != managedRedis || cfg.managedSKU != "Balanced_B0" || cfg.adminUser || cfg.cpu != 0.5 || cfg.memory != "1Gi" ||
		cfg.minReplicas != 1 || cfg.maxReplicas != 5 || cfg.concurrentRequests != 50 || len(cfg.variables) != 0 {
		t.Errorf("got %+v", cfg)
	}
}

func TestAudiences(t *testing.T) {
	const id = "bbbbbbbb-0000-4000-8000-00000000000b"
	for _, c := range []struct {
		name        string
		values, env map[string]string
		want        string
	}{
		{"from the id", map[string]string{"entra:serverAppId": id}, nil, id + ",api://" + id},
		{"from the environment", nil, map[string]string{"SERVER_APP_ID": id}, id + ",api://" + id},
		{"from the URI", nil, map[string]string{"SERVER_APP_ID_URI": "api://" + id}, id + ",api://" + id},
		{"a URI of one's own", nil, map[string]string{"SERVER_APP_ID": id, "SERVER_APP_ID_URI": "https://mcp.example.com/mcp"}, id + ",api://" + id + ",https://mcp.example.com/mcp"},
		{"only a URI of one's own", nil, map[string]string{"SERVER_APP_ID_URI": "https://mcp.example.com/mcp"}, "https://mcp.example.com/mcp"},
		{"said outright", map[string]string{"entra:serverAppId": id, "entra:audiences": "https://mcp.example.com/mcp"}, nil, "https://mcp.example.com/mcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := minimal()
			delete(values, "entra:serverAppId")
			maps.Copy(values, c.values)
			cfg, err := read(t, values, func(name string) string { return c.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			if cfg.audiences != c.want {
				t.Errorf("got %s, want %s", cfg.audiences, c.want)
			}
		})
	}
}

func TestMistakeInTheEnvironmentIsNamed(t *testing.T) {
	for _, name := range []string{"ENTRA_TENANT_ID", "SERVER_APP_ID", "SERVER_APP_ID_URI"} {
		values := minimal()
		delete(values, "entra:tenantId")
		delete(values, "entra:serverAppId")
		env := map[string]string{
			"ENTRA_TENANT_ID": minimal()["entra:tenantId"], "SERVER_APP_ID": minimal()["entra:serverAppId"], name: "not right",
		}
		_, err := read(t, values, func(name string) string { return env[name] })
		if err == nil || !strings.Contains(err.Error(), name+` is "not right"`) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDotEnv(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "infra-pulumi")
	for name, content := range map[string]string{
		"Pulumi.yaml": "", "go.work": "",
		".env":              "ENTRA_TENANT_ID=from-root\nSERVER_APP_ID='from-root'\nSERVER_APP_ID_URI=from-root\n",
		"infra-pulumi/.env": "SERVER_APP_ID=from-working-directory\n",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(below)
	t.Setenv("SERVER_APP_ID_URI", "from-process")
	t.Setenv("ENTRA_TENANT_ID", "")
	t.Setenv("SERVER_APP_ID", "")
	getenv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ENTRA_TENANT_ID": "from-root", "SERVER_APP_ID": "from-working-directory", "SERVER_APP_ID_URI": "from-process", "NO_SUCH_NAME": "",
	} {
		if got := getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	if err := os.WriteFile(filepath.Join(below, ".env"), []byte("ENTRA_CLIENT_SECRET='hush-hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := environment(); err == nil || !strings.Contains(err.Error(), ".env") || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("got %v", err)
	}
}
