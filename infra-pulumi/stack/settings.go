package stack

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	managedRedis  = "managed"  // Azure Managed Redis
	classicRedis  = "classic"  // Azure Cache for Redis
	existingRedis = "existing" // somebody else's, by its URL
)

// The two keys that Azure gives to a Redis.
const (
	primaryKey   = "primary"
	secondaryKey = "secondary"
)

// Who keeps the server's secrets.
const (
	appStore   = "app"
	vaultStore = "vault"
)

// setting is one value of the stack's configuration.
type setting struct {
	key      string // as in `pulumi config set KEY VALUE`
	fallback string // an environment variable that stands in for it
	initial  string // what it is when nothing is set
	variable string // the server's variable that it becomes
	required bool
	want     string // what is accepted, in words
	example  string
	secret   bool              // must be set with --secret
	ok       func(string) bool // never asked about an empty value
}

// settings are all values that a stack may set.
var settings = []setting{
	{key: "azure-native:location", required: true, want: "the Azure region to deploy to", example: "westeurope",
		ok: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ]+$`).MatchString},
	{key: "azure-native:environment", want: "which of Azure's clouds: public, usgovernment or china", example: "usgovernment", ok: oneOf("public", "usgovernment", "china")},

	{key: "entra:tenantId", fallback: "ENTRA_TENANT_ID", required: true,
		want: "the id of the Entra tenant whose tokens are accepted, a GUID", example: "00000000-0000-0000-0000-000000000000", ok: isGUID},
	{key: "entra:serverAppId", fallback: "SERVER_APP_ID",
		want: "the application (client) id of the server's app in Entra, a GUID; needed unless entra:audiences is set", example: "00000000-0000-0000-0000-000000000000", ok: isGUID},
	{key: "entra:audiences",
		want: "the accepted audiences, ids or identifier URIs (comma list), where they are not ID and api://ID of the server's app, or SERVER_APP_ID_URI of .env beside them", example: "https://mcp.example.com/mcp", ok: list(isAudience)},
	{key: "entra:requiredScopes", variable: "ENTRA_REQUIRED_SCOPES",
		want: "delegated scopes, any of which lets a user in (comma list)", example: "Mcp.Use", ok: list(isWord)},
	{key: "entra:requiredAppRoles", variable: "ENTRA_REQUIRED_APP_ROLES",
		want: "app roles, any of which lets a caller in (comma list)", example: "Mcp.Invoke", ok: list(isWord)},
	{key: "entra:authority", variable: "ENTRA_AUTHORITY",
		want: "Entra's sign-in endpoint, an https origin", example: "https://login.microsoftonline.us", ok: isOrigin},

	{key: "redis:kind", initial: managedRedis, want: "managed (Azure Managed Redis), classic (Azure Cache for Redis) or existing (redis:url)", example: managedRedis,
		ok: oneOf(managedRedis, classicRedis, existingRedis)},
	{key: "redis:url", secret: true, want: "with redis:kind existing, the URL of a Redis with TLS, as a secret", example: "rediss://USER:PASSWORD@redis.example.com:6380", ok: isRedisURL},
	{key: "redis:key", initial: primaryKey, want: "which of the two keys of Redis the server uses, primary or secondary: switch, then regenerate the other one", example: secondaryKey,
		ok: oneOf(primaryKey, secondaryKey)},
	{key: "redis:sku", want: "a size of that kind: Balanced_B0 (managed's default), MemoryOptimized_M10, …; Basic_C0 (classic's default) to Standard_C6, Premium_P1 to Premium_P5", example: "Balanced_B1"},
	{key: "redis:replicated", initial: "true", want: "false for a managed Redis of a single node, whose failure loses the sessions, at half the price; else true", example: "false", ok: isBool},

	{key: "data:protect", initial: "false", want: "true where Pulumi must refuse to delete or replace Redis and the resource group, else false", example: "true", ok: isBool},

	{key: "network:zoneRedundant", initial: "false", want: "true to spread replicas over zones, which puts the environment into a network of its own; another value makes another environment", example: "true", ok: isBool},
	{key: "network:private", initial: "false", want: "true where Redis is to be reached through a private endpoint only; another value makes another environment", example: "true", ok: isBool},

	{key: "secrets:store", initial: appStore, want: "who keeps the server's secrets: app (the Container App), or vault (a Key Vault that the app reads)", example: vaultStore, ok: oneOf(appStore, vaultStore)},

	{key: "logs:retentionDays", initial: "30", want: "how many days logs are kept, 30 (which the price of ingestion includes) to 730", example: "90", ok: between(30, 730)},
	{key: "logs:diagnostics", initial: "false", want: "true to log what the registry and Redis log and measure too, else false", example: "true", ok: isBool},
	{key: "alerts:email", want: "addresses that alerts are mailed to (comma list); none: no alerts", example: "operations@example.com", ok: list(isEmail)},

	{key: "telemetry:endpoint", variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
		want: "an OpenTelemetry collector for the server's traces, metrics and logs (OTLP over HTTP), an https URL without query; none: no telemetry", example: "https://otlp.example.com", ok: isEndpoint},
	{key: "telemetry:headers", secret: true,
		want: "headers that the collector asks for, such as its key, as a secret: name=value, percent-encoded (comma list)", example: "Authorization=Bearer%20KEY", ok: list(isHeader)},
	{key: "telemetry:sampling", variable: "OTEL_TRACES_SAMPLER_ARG",
		want: "the share of requests that are traced, 0 to 1; all by default", example: "0.1", ok: isShare},

	{key: "domain:name", want: "a domain of your own for the server", example: "mcp.example.com", ok: isDomain},
	{key: "domain:step", want: "with domain:name, how far it is: dns, certificate, bound; the output domainNext says what comes next", example: domainDNS, ok: oneOf(domainDNS, domainCertificate, domainBound)},

	{key: "registry:sku", initial: "Basic", want: "the registry's size: Basic, Standard or Premium", example: "Standard", ok: oneOf("Basic", "Standard", "Premium")},
	{key: "registry:adminUser", initial: "false", want: "true where whoever deploys may not assign roles, else false", example: "true", ok: isBool},

	{key: "server:cpu", initial: "0.5", want: "cores per replica, 0.25 to 4 in steps of 0.25", example: "0.5", ok: isCPU},
	{key: "server:memory", want: "twice as many Gi as there are cores, or nothing", example: "1Gi"},
	{key: "server:minReplicas", initial: "1", want: "a number of replicas from 1 (none would keep streams waiting for a start)", example: "1", ok: between(1, 1000)},
	{key: "server:maxReplicas", initial: "5", want: "a number of replicas from server:minReplicas to 1000", example: "5", ok: between(1, 1000)},
	{key: "server:concurrentRequests", initial: "50", want: "how many requests at a time a replica takes before another is started", example: "50", ok: between(1, 100000)},
	{key: "server:publicUrl", want: "the https origin under which clients reach the server, where that is not the app's own", example: "https://mcp.example.com", ok: isOrigin},
	{key: "server:corsAllowOrigins", variable: "CORS_ALLOW_ORIGINS",
		want: "origins whose pages may call the server (comma list), or *", example: "https://app.example.com", ok: isCORS},
	{key: "server:allowedHosts", variable: "ALLOWED_HOSTS",
		want: "further host names that requests may be addressed to (comma list)", example: "mcp.example.com", ok: list(isHost)},
	{key: "server:logLevel", variable: "LOG_LEVEL", want: "debug, info, warn or error", example: "info", ok: oneOf("debug", "info", "warn", "error")},
	{key: "server:sessionIdle", variable: "SESSION_IDLE", want: "how long an unused session is kept, 1m to 168h", example: "30m", ok: isIdle},
	{key: "server:tlsCa", variable: "TLS_CA", want: "PEM certificates of further authorities to trust", example: "< ca.pem", ok: isPEM},
}

// find answers a setting that exists.
func find(key string) setting {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	return settings[i]
}

var (
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	managedSKU = regexp.MustCompile(`^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X|FlashOptimized_A)[0-9]{1,4}$`)
	basicSKU   = regexp.MustCompile(`^(Basic|Standard)_(C)([0-6])$`)
	premiumSKU = regexp.MustCompile(`^(Premium)_(P)([1-5])$`)
)

func isGUID(s string) bool { return guid.MatchString(s) }

func isAudience(s string) bool {
	u, err := url.Parse(s)
	return isGUID(s) || err == nil && isWord(s) && u.Scheme != "" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func isWord(s string) bool { return s != "" && !strings.ContainsAny(s, " \t\r\n\"\\") }

// isOrigin takes https://host, and a bare slash behind it for people who copy from a browser.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && (u.Path == "" || u.Path == "/") && !strings.ContainsAny(s, "?#")
}

// isEndpoint takes an https origin with or without a path.
func isEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isOrigin(u.Scheme+"://"+u.Host) && u.User == nil && !strings.ContainsAny(s, "?#")
}

var header = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+=[^\\s=].*$")

// isHeader takes a header as OpenTelemetry writes it; what its value may hold is the server's to check.
func isHeader(s string) bool {
	_, err := url.PathUnescape(s)
	return err == nil && header.MatchString(s)
}

func isShare(s string) bool {
	share, err := strconv.ParseFloat(s, 64)
	return err == nil && share >= 0 && share <= 1
}

func isCORS(s string) bool {
	return s == "*" || list(func(origin string) bool {
		return isOrigin(strings.Replace(origin, "http://", "https://", 1)) && !strings.HasSuffix(origin, "/")
	})(s)
}

func isBool(s string) bool { return s == "true" || s == "false" }

var (
	domain = regexp.MustCompile(`^([0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?\.)+[a-z]{2,63}$`)
	email  = regexp.MustCompile(`^[^@\s,]+@[^@\s,]+\.[^@\s,]+$`)
)

func isDomain(s string) bool { return domain.MatchString(s) }

func isEmail(s string) bool { return email.MatchString(s) }

var hostName = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?$`)

func isHost(s string) bool { return hostName.MatchString(s) || net.ParseIP(s) != nil }

// isRedisURL takes TLS only.
func isRedisURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "rediss" && u.Hostname() != "" && !strings.ContainsAny(s, " \t\r\n")
}

func isCPU(s string) bool {
	cores, err := strconv.ParseFloat(s, 64)
	return err == nil && cores >= 0.25 && cores <= 4 && cores*4 == float64(int(cores*4))
}

// memoryFor is the memory that Azure gives to so many cores; there are no other pairs.
func memoryFor(cpu string) string {
	cores, _ := strconv.ParseFloat(cpu, 64) // checked
	return fmt.Sprintf("%gGi", 2*cores)
}

// goMemoryFor is the most that Go is to take of that memory: beyond it the
// collector works harder, instead of the container being killed.
func goMemoryFor(cores float64) string {
	const share = 0.9 // the rest is for what is not Go's heap
	return fmt.Sprintf("%dMiB", int(2*1024*cores*share))
}

// goProcessorsFor is how many threads may run Go at the same time. Go itself
// would make it two at the least, who in a container of less than two cores
// wake each other for nothing and use up its share before the period is over.
func goProcessorsFor(cores float64) string { return strconv.Itoa(int(math.Ceil(cores))) }

func isIdle(s string) bool {
	d, err := time.ParseDuration(s)
	return err == nil && d >= time.Minute && d <= 7*24*time.Hour
}

func isPEM(s string) bool {
	rest, certificates := []byte(s), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return certificates > 0 && len(strings.TrimSpace(string(rest))) == 0
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return false
		}
		certificates++
	}
}

func parseClassicSKU(s string) (classicSKU, bool) {
	for _, sku := range []*regexp.Regexp{basicSKU, premiumSKU} {
		if parts := sku.FindStringSubmatch(s); parts != nil {
			return classicSKU{parts[1], parts[2], int(parts[3][0] - '0')}, true
		}
	}
	return classicSKU{}, false
}

func oneOf(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}

func between(least, most int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && least <= n && n <= most
	}
}

// list checks each part of a comma list.
func list(ok func(string) bool) func(string) bool {
	return func(s string) bool {
		return !slices.ContainsFunc(strings.Split(s, ","), func(part string) bool { return !ok(strings.TrimSpace(part)) })
	}
}
