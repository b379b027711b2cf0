package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite variables.md")

const (
	tenant   = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb"
	password = "hunter2-hunter2"
)

// load takes the smallest environment of a deployment and applies changes to it: "NAME=value", or "NAME=" to unset.
func load(changes ...string) (Config, error) {
	environment := map[string]string{
		"LISTEN_ADDR":     "0.0.0.0:8000",
		"PUBLIC_URL":      "https://mcp.example.com",
		"REDIS_URL":       "rediss://:" + password + "@cache.example.com:10000",
		"ENTRA_TENANT_ID": tenant,
		"ENTRA_AUDIENCES": "11111111-2222-3333-4444-555555555555, api://11111111-2222-3333-4444-555555555555,",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environment[name] = value
	}
	return Load(func(name string) string { return environment[name] })
}

func TestLoadDeployment(t *testing.T) {
	c, err := load("CORS_ALLOW_ORIGINS= * ", "LOG_LEVEL=WARN", "SESSION_IDLE=45m", "PUBLIC_URL=https://mcp.example.com/",
		"ENTRA_TENANT_ID="+strings.ToUpper(tenant), "ENTRA_AUDIENCES=AAAAAAAA-2222-3333-4444-555555555555,api://Mine")
	if err != nil {
		t.Fatal(err)
	}
	want := Redis{Address: "cache.example.com:10000", Password: password, TLS: true}
	if c.Redis != want || c.EmbeddedRedis() {
		t.Errorf("Redis = %v, embedded %v", c.Redis, c.EmbeddedRedis())
	}
	if c.TenantID != tenant || !slices.Equal(c.Audiences, []string{"aaaaaaaa-2222-3333-4444-555555555555", "api://Mine"}) {
		t.Errorf("tenant %q, audiences %q", c.TenantID, c.Audiences)
	}
	if !c.AuthRequired || c.AcceptsAnyToken() || c.LogLevel != slog.LevelWarn || c.SessionIdle != 45*time.Minute || c.ShutdownGrace != 30*time.Second || c.RateLimit != 1000 || c.StreamLimit != 500 {
		t.Errorf("Load = %+v", c)
	}
	if c.ResourceURL() != "https://mcp.example.com/mcp" {
		t.Errorf("ResourceURL = %q", c.ResourceURL())
	}
}

func TestLoadOnLoopback(t *testing.T) {
	c, err := Load(func(name string) string { return map[string]string{"AUTH_REQUIRED": "false"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	if !c.EmbeddedRedis() || c.AuthRequired || c.ResourceURL() != "http://127.0.0.1:8000/mcp" || c.RootCAs() != nil {
		t.Errorf("Load = %+v", c)
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		change string
		got    string // what the message says about the variable
	}{
		{"LISTEN_ADDR=8000", `"8000"`},
		{"LISTEN_ADDR=localhost:http", `"localhost:http"`},
		{"LISTEN_ADDR=localhost:70000", `"localhost:70000"`},
		{"PUBLIC_URL=", `nothing, with LISTEN_ADDR "0.0.0.0:8000"`},
		{"PUBLIC_URL=http://mcp.example.com", `"http://mcp.example.com"`},
		{"PUBLIC_URL=mcp.example.com", `"mcp.example.com"`},
		{"PUBLIC_URL=https://mcp.example.com/mcp", `"https://mcp.example.com/mcp"`},
		{"PUBLIC_URL=https://mcp.example.com?a=b", `"https://mcp.example.com?a=b"`},
		{"PUBLIC_URL=https://me:hunter2-hunter2@example.com", `"https://me:xxxxx@example.com"`},
		{`PUBLIC_URL=https://mcp".example.com`, `"https://mcp\".example.com"`},
		{"ALLOWED_HOSTS=https://mcp.example.com", `"https://mcp.example.com"`},
		{"ALLOWED_HOSTS=mcp.example.com:443", `"mcp.example.com:443"`},
		{"CORS_ALLOW_ORIGINS=https://a.example.com,*", `"https://a.example.com,*"`},
		{"CORS_ALLOW_ORIGINS=https://a.example.com/app", `"https://a.example.com/app"`},
		{"CORS_ALLOW_ORIGINS=https://a.example.com/", `"https://a.example.com/"`},
		{"CORS_ALLOW_ORIGINS=null", `"null"`},
		{"REDIS_URL=", `nothing, with LISTEN_ADDR "0.0.0.0:8000"`},
		{"REDIS_URL=http://:hunter2-hunter2@cache.example.com", "a URL with another scheme"},
		{"REDIS_URL=cache.example.com:6380,password=hunter2-hunter2,ssl=True", "a connection string of another client, not a URL"},
		{"REDIS_URL=hunter2-hunter2", "a value without redis:// or rediss://"},
		{"REDIS_URL=redis://:hunter2-hunter2/x@cache.example.com", "a URL that cannot be parsed (is the password percent-encoded?)"},
		{"REDIS_URL=redis://me:12#hunter2-hunter2@cache.example.com", "a URL whose password is cut short (is it percent-encoded?)"},
		{"REDIS_URL=redis://me:12/hunter2-hunter2@cache.example.com", "a URL whose password is cut short (is it percent-encoded?)"},
		{"REDIS_URL=redis://:hunter2@hunter2@cache.example.com", "a URL with more than one @ (is the password percent-encoded?)"},
		{"REDIS_URL=redis://:hunter2-hunter2@", "a URL without a host (is the password percent-encoded?)"},
		{"REDIS_URL=redis://cache.example.com,password=hunter2-hunter2", "a URL whose host is not a host name (is the password percent-encoded?)"},
		{"REDIS_URL=redis://:hunter2-hunter2@cache.example.com:99999", "a URL whose port is not between 1 and 65535"},
		{"REDIS_URL=redis://:hunter2-hunter2@cache.example.com/main", "a URL whose path is not a database number"},
		{"REDIS_URL=redis://:hunter2-hunter2@cache.example.com?db=1", "a URL with a query or a fragment (is the password percent-encoded?)"},
		{"REDIS_URL=redis://me@cache.example.com", "a URL with a user but no password (the form is user:password@host, or :password@host)"},
		{"AUTH_REQUIRED=yes", `"yes"`},
		{"AUTH_REQUIRED=false", `false, with LISTEN_ADDR "0.0.0.0:8000" (whoever reaches that address could call every tool)`},
		{"ENTRA_TENANT_ID=", "nothing"},
		{"ENTRA_TENANT_ID=contoso.onmicrosoft.com", `"contoso.onmicrosoft.com"`},
		{"ENTRA_AUDIENCES= , ", `","`},
		{"ENTRA_AUDIENCES=my app", `"my app"`},
		{"ENTRA_REQUIRED_SCOPES=mcp.invoke mcp.read", `"mcp.invoke mcp.read"`},
		{"ENTRA_REQUIRED_APP_ROLES=none,Mcp.Invoke", `"none,Mcp.Invoke"`},
		{"ENTRA_AUTHORITY=http://login.example.com", `"http://login.example.com"`},
		{"ENTRA_AUTHORITY=https://login.microsoftonline.com/common", `"https://login.microsoftonline.com/common"`},
		{"TLS_CA=/etc/ca.pem", "a text that is not only certificates"},
		{"TLS_CA=-----BEGIN PRIVATE KEY-----\naHVudGVyMi1odW50ZXIy\n-----END PRIVATE KEY-----", "a text that is not only certificates"},
		{"LOG_LEVEL=verbose", `"verbose"`},
		{"LOG_LEVEL=INFO+2", `"INFO+2"`},
		{"RATE_LIMIT=0", `"0"`},
		{"RATE_LIMIT=100/s", `"100/s"`},
		{"STREAM_LIMIT=-1", `"-1"`},
		{"STREAM_LIMIT=1000000", `"1000000"`},
		{"SESSION_IDLE=30", `"30"`},
		{"SESSION_IDLE=-5m", `"-5m"`},
		{"SESSION_IDLE=1000h", `"1000h"`},
		{"SHUTDOWN_GRACE=1h", `"1h"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", `"collector:4317"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", `"http://collector:4318"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector?key=hunter2", "a URL with a query or a fragment"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=https://me:hunter2@collector", `"https://me:xxxxx@collector"`},
		{"OTEL_EXPORTER_OTLP_HEADERS=hunter2", "an entry without = (a comma in a value is %2C)"},
		{"OTEL_EXPORTER_OTLP_HEADERS=api-key=x,hunter2", "an entry without = (a comma in a value is %2C)"},
		{"OTEL_EXPORTER_OTLP_HEADERS=hunter2 hunter2=x", "an entry whose name is no header's"},
		{"OTEL_EXPORTER_OTLP_HEADERS=api-key=hunter2%0A", "a value that no header can have (is it percent-encoded?)"},
		{"OTEL_EXPORTER_OTLP_HEADERS=api-key=hunter2%2", "a value that no header can have (is it percent-encoded?)"},
		{"OTEL_EXPORTER_OTLP_HEADERS=api-key=", "a value that no header can have (is it percent-encoded?)"},
		{"OTEL_TRACES_SAMPLER_ARG=10%", `"10%"`},
		{"OTEL_TRACES_SAMPLER_ARG=2", `"2"`},
		{"OTEL_TRACES_SAMPLER_ARG=NaN", `"NaN"`},
	} {
		t.Run(test.change, func(t *testing.T) {
			_, err := load(test.change)
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 {
				t.Fatalf("Load = %v, want one problem", err)
			}
			p := problems[0]
			if variable, _, _ := strings.Cut(test.change, "="); p.Variable != variable || p.Got != test.got {
				t.Errorf("%s: got %s; want %s", p.Variable, p.Got, test.got)
			}
			if p.Want == "" || !strings.HasPrefix(p.Example, p.Variable+"=") || len(p.Example) == len(p.Variable)+1 {
				t.Errorf("no way out of it: %v", p)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVy") {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

func TestProblemsTogether(t *testing.T) {
	_, err := load("AUTH_REQUIRED=on", "REDIS_URL=", "ENTRA_AUDIENCES=", "LOG_LEVEL=loud", "SESSION_IDLE=soon", "ENTRA_TENANT_ID=")
	const want = `the configuration has 6 problems:
  REDIS_URL: got nothing, with LISTEN_ADDR "0.0.0.0:8000"; want redis[s]://[user]:<percent-encoded password>@host:port[/database]; for example REDIS_URL=rediss://:<key>@name.region.redis.azure.net:10000/0
  AUTH_REQUIRED: got "on"; want true, or false with a loopback LISTEN_ADDR; for example AUTH_REQUIRED=true
  ENTRA_TENANT_ID: got nothing; want the tenant's GUID; for example ENTRA_TENANT_ID=aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb
  ENTRA_AUDIENCES: got nothing; want the server app's GUID and its identifier URI; for example ENTRA_AUDIENCES=11111111-2222-3333-4444-555555555555,api://11111111-2222-3333-4444-555555555555
  LOG_LEVEL: got "loud"; want debug, info, warn or error; for example LOG_LEVEL=info
  SESSION_IDLE: got "soon"; want a duration from 1m to 168h; for example SESSION_IDLE=30m`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

// Every example in the table must be accepted as it stands, placeholders filled in.
func TestExamples(t *testing.T) {
	for _, v := range Variables() {
		if v.example == "" || v.Name == "TLS_CA" {
			continue
		}
		if _, err := load(v.Name + "=" + strings.ReplaceAll(v.example, "<key>", "key")); err != nil {
			t.Error(err)
		}
	}
}

func TestRedisAccepted(t *testing.T) {
	for raw, want := range map[string]Redis{
		"redis://localhost":                         {Address: "localhost:6379"},
		"redis://localhost/":                        {Address: "localhost:6379"},
		"redis://[::1]:7000/3":                      {Address: "[::1]:7000", Database: 3},
		"rediss://me:p%40ss%2F%23@h.example.com/15": {Address: "h.example.com:6379", Username: "me", Password: "p@ss/#", Database: 15, TLS: true},
		"redis://:a+b=@10.0.0.1:6380":               {Address: "10.0.0.1:6380", Password: "a+b="},
	} {
		c, err := load("REDIS_URL=" + raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if c.Redis != want {
			t.Errorf("%s: got %#v", raw, c.Redis)
		}
		if pw := want.Password.Reveal(); pw != "" && strings.Contains(c.Redis.String(), pw) {
			t.Errorf("String shows the password: %v", c.Redis.String())
		}
	}
}

func TestTelemetry(t *testing.T) {
	c, err := load("OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example.com/otlp/", "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic%20"+password+"%3D%3D, api-key = a=b", "OTEL_TRACES_SAMPLER_ARG=0.25")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Headers{"Authorization": "Basic " + password + "==", "api-key": "a=b"}); !maps.Equal(c.TelemetryHeaders, want) {
		t.Error("the headers were read otherwise")
	}
	if shown := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(shown, password) {
		t.Errorf("shows a secret: %s", shown)
	}
	if c.TelemetryEndpoint != "https://otlp.example.com/otlp" || c.TraceShare != 0.25 {
		t.Errorf("endpoint %q, share %v", c.TelemetryEndpoint, c.TraceShare)
	}
	if _, err := load("OTEL_EXPORTER_OTLP_PROTOCOL=grpc"); err != nil {
		t.Errorf("without an endpoint the protocol is nobody's concern: %v", err)
	}
	if _, err := load("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example.com"); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_PROTOCOL") {
		t.Errorf("with grpc: %v", err)
	}
}

func TestAllowedHosts(t *testing.T) {
	c, err := load("ALLOWED_HOSTS=MCP.internal,mcp.example.com", "CONTAINER_APP_NAME=prynai-mcp", "CONTAINER_APP_HOSTNAME=prynai-mcp--abc.blue.westeurope.azurecontainerapps.io",
		"CONTAINER_APP_ENV_DNS_SUFFIX=blue.westeurope.azurecontainerapps.io")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"mcp.example.com", "mcp.internal", "prynai-mcp--abc.blue.westeurope.azurecontainerapps.io", "prynai-mcp.blue.westeurope.azurecontainerapps.io"}
	if got := c.AllowedHosts(); !slices.Equal(got, want) {
		t.Errorf("AllowedHosts = %q", got)
	}
	c.PublicURL = ""
	if got := c.ResourceURL(); got != "https://prynai-mcp.blue.westeurope.azurecontainerapps.io/mcp" {
		t.Errorf("ResourceURL = %q", got)
	}
	c = Config{ListenAddr: "[::1]:8000"}
	if got := c.AllowedHosts(); !slices.Equal(got, []string{"127.0.0.1", "::1", "localhost"}) {
		t.Errorf("AllowedHosts on loopback = %q", got)
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.Redis)
		fmt.Fprintf(&out, verb+"\n", c.Redis.Password)
		fmt.Fprintf(&out, verb+"\n", &c.Redis.Password)
		fmt.Fprintf(&out, verb+"\n", []Secret{c.Redis.Password})
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("start", "config", c, "redis", c.Redis, "password", c.Redis.Password)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{password, fmt.Sprintf("%x", password), fmt.Sprintf("%X", password), password[:7]} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret is shown: %s", out.String())
		}
	}
	if c.Redis.Password.Reveal() != password {
		t.Error("Reveal must give the value")
	}
}

func TestVariablesTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("| variable | default | what it does |\n|---|---|---|\n")
	for _, v := range Variables() {
		byDefault := ""
		if v.Default != "" {
			byDefault = "`" + v.Default + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", v.Name, byDefault, v.Doc)
		if v.Name == "" || v.Doc == "" {
			t.Errorf("%s is not documented", v.field)
		}
	}
	if *update {
		if err := os.WriteFile("variables.md", []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile("variables.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != table.String() {
		t.Error("variables.md is not up to date: go test ./internal/config -update")
	}
}
