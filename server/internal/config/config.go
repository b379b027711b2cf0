// Package config is the server's environment, read once: one struct, every problem reported together.
//
// A Config that [Load] returned is valid as a whole, so nothing behind it checks again. A password never
// leaves this package in the clear (see [Secret]), nor does the raw text of a variable that may hold one.
// The struct's tags are the documentation too: the table in variables.md is generated from them.
//
// Cross-origin requests never carry credentials here (a page's own script puts the token in a header),
// which is what makes "*" acceptable in CORS_ALLOW_ORIGINS; it must then stand alone.
package config

import (
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is the whole configuration. What follows from several variables is a method.
type Config struct {
	ListenAddr       string        `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8000" doc:"Address and port of the plain HTTP listener. The image sets 0.0.0.0:8000." want:"host:port" example:"127.0.0.1:8000"`
	PublicURL        string        `env:"PUBLIC_URL" doc:"Origin under which clients reach the server; the protected resource's identifier is built from it. Without it: the Container App's own host, or LISTEN_ADDR on loopback." want:"an https URL without path or query (http only for loopback)" example:"https://mcp.example.com"`
	ExtraHosts       []string      `env:"ALLOWED_HOSTS" doc:"Further host names that requests may be addressed to (comma list), beside PUBLIC_URL's, the Container App's and, on loopback, localhost." want:"host names without scheme and port" example:"mcp.example.com,mcp.internal"`
	CORSAllowOrigins []string      `env:"CORS_ALLOW_ORIGINS" doc:"Origins whose pages may call the server (comma list), or * alone for all. Cookies and other credentials are never allowed." want:"origins, or * alone" example:"https://app.example.com"`
	Redis            Redis         `env:"REDIS_URL" doc:"Redis that holds the sessions; rediss:// is TLS. Without it, on a loopback LISTEN_ADDR only, an embedded one that forgets everything at exit." want:"redis[s]://[user]:<percent-encoded password>@host:port[/database]" example:"rediss://:<key>@name.region.redis.azure.net:10000/0"`
	AuthRequired     bool          `env:"AUTH_REQUIRED" envDefault:"true" doc:"Whether a caller needs a token of the Entra tenant. false is accepted on a loopback LISTEN_ADDR only." want:"true, or false with a loopback LISTEN_ADDR" example:"true"`
	TenantID         string        `env:"ENTRA_TENANT_ID" doc:"Directory (tenant) id whose tokens are accepted. Needed with AUTH_REQUIRED." want:"the tenant's GUID" example:"aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb"`
	Audiences        []string      `env:"ENTRA_AUDIENCES" doc:"Accepted audiences (comma list): the server app's id and its identifier URI. Needed with AUTH_REQUIRED." want:"the server app's GUID and its identifier URI" example:"11111111-2222-3333-4444-555555555555,api://11111111-2222-3333-4444-555555555555"`
	RequiredScopes   []string      `env:"ENTRA_REQUIRED_SCOPES" doc:"Delegated scopes, any of which lets a user in (comma list)." want:"names of scopes, without spaces" example:"mcp.invoke"`
	RequiredAppRoles []string      `env:"ENTRA_REQUIRED_APP_ROLES" doc:"App roles, any of which lets an application or a user in (comma list). With neither roles nor scopes set, a token needs one of any name; none switches that off and lets every application of the tenant in." want:"names of app roles without spaces, or none alone and without ENTRA_REQUIRED_SCOPES" example:"Mcp.Invoke"`
	Authority        string        `env:"ENTRA_AUTHORITY" envDefault:"https://login.microsoftonline.com" doc:"Entra's sign-in endpoint; another one for sovereign clouds and for tests." want:"an https URL without path or query (http only for loopback)" example:"https://login.microsoftonline.us"`
	TLSCA            string        `env:"TLS_CA" doc:"PEM certificates of authorities that are trusted for Redis, Entra and the collector beside the system's." want:"PEM blocks of type CERTIFICATE" example:"\"$(cat ca.pem)\""`
	LogLevel         slog.Level    `env:"LOG_LEVEL" envDefault:"info" doc:"Least level that is logged: debug, info, warn or error." want:"debug, info, warn or error" example:"info"`
	RateLimit        int           `env:"RATE_LIMIT" envDefault:"1000" doc:"Requests that one principal may make in a second, over all replicas; after a pause five times as many at once." want:"a number from 1 to 100000" example:"1000"`
	StreamLimit      int           `env:"STREAM_LIMIT" envDefault:"500" doc:"Calls and streams that one principal may have open on a replica." want:"a number from 1 to 100000" example:"500"`
	SessionIdle      time.Duration `env:"SESSION_IDLE" envDefault:"30m" doc:"How long a session that nobody uses is kept." want:"a duration from 1m to 168h" example:"30m"`
	ShutdownGrace    time.Duration `env:"SHUTDOWN_GRACE" envDefault:"30s" doc:"How long a draining replica lets running calls finish." want:"a duration from 1s to 10m" example:"30s"`
	Environment      string        `env:"PRYNAI_ENV" envDefault:"local" doc:"Name of the deployment, for logs and traces." want:"a name" example:"prod"`
	Build            string        `env:"PRYNAI_BUILD" envDefault:"dev" doc:"Version that the server reports. The image sets the hash of its source." want:"a version" example:"dev"`
	SecretsVersion   string        `env:"SECRETS_VERSION" doc:"Fingerprint of the secrets that the deployment has set: a changed secret makes a new revision, whose replicas know it. Logged at the start." want:"a version" example:"0123456789abcdef"`

	TelemetryEndpoint string  `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"Collector that takes traces, metrics and logs by OTLP over HTTP; /v1/traces, /v1/metrics and /v1/logs are added. Without it there is no telemetry. The SDK reads further OTEL_ variables itself: timeouts, compression, batch sizes, OTEL_RESOURCE_ATTRIBUTES." want:"an https URL without query (http only for loopback)" example:"https://otlp.example.com"`
	TelemetryHeaders  Headers `env:"OTEL_EXPORTER_OTLP_HEADERS" doc:"Headers that the collector asks for, such as its key." want:"name=value pairs, percent-encoded (comma list)" example:"Authorization=Bearer%20<key>"`
	TelemetryProtocol string  `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf" doc:"How the collector is spoken to; gRPC is not built in." want:"http/protobuf" example:"http/protobuf"`
	TraceShare        float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1" doc:"Share of the requests that are traced. What a caller's traceparent says of sampling does not count." want:"a number from 0 to 1" example:"0.1"`

	ContainerAppName      string `env:"CONTAINER_APP_NAME" doc:"Name of the app; set by Azure Container Apps."`
	ContainerAppRevision  string `env:"CONTAINER_APP_REVISION" doc:"Name of the revision; set by Azure Container Apps."`
	ContainerAppHostname  string `env:"CONTAINER_APP_HOSTNAME" doc:"The revision's own host name; set by Azure Container Apps."`
	ContainerAppDNSSuffix string `env:"CONTAINER_APP_ENV_DNS_SUFFIX" doc:"DNS suffix of the environment; set by Azure Container Apps."`
}

// Load reads the variables through getenv. A variable that is empty counts as not set. The error is
// of type [Problems].
func Load(getenv func(string) string) (Config, error) {
	environment := map[string]string{}
	for _, v := range variables {
		if value := strings.TrimSpace(getenv(v.Name)); value != "" {
			environment[v.Name] = value
		}
	}

	var c Config
	found := checker{environment: environment, problems: map[string]Problem{}}
	err := env.ParseWithOptions(&c, env.Options{Environment: environment, FuncMap: parsers})
	found.unreadable(err)
	found.check(c)
	if problems := found.inOrder(); len(problems) > 0 {
		return Config{}, problems
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	c.Authority = strings.TrimSuffix(c.Authority, "/")
	c.TelemetryEndpoint = strings.TrimSuffix(c.TelemetryEndpoint, "/")
	// Tokens carry GUIDs in lower case, and are compared byte by byte.
	c.TenantID = strings.ToLower(c.TenantID)
	for i, audience := range c.Audiences {
		if guid.MatchString(audience) {
			c.Audiences[i] = strings.ToLower(audience)
		}
	}
	return c, nil
}

var parsers = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[Headers](): func(value string) (any, error) { return parseHeaders(value) },
	reflect.TypeFor[[]string](): func(value string) (any, error) {
		var list []string
		for entry := range strings.SplitSeq(value, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				list = append(list, entry)
			}
		}
		return list, nil
	},
}
