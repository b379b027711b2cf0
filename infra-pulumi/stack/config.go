package stack

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// config is the stack's configuration, checked. settings.go lists the values.
type config struct {
	azure     string // which of its clouds
	tenantID  string
	audiences string // comma list

	redisKind  string
	redisURL   string // secret; of an existing Redis
	redisKey   string
	replicated bool
	managedSKU string
	classicSKU classicSKU

	adminUser   bool // the registry's
	registrySKU string

	protect       bool // Redis and the group
	zoneRedundant bool
	private       bool // Redis
	secretStore   string
	retentionDays int
	diagnostics   bool
	alertEmails   []string
	domain        string
	domainStep    string

	telemetryHeaders string // secret

	cpu                float64
	memory             string
	minReplicas        int
	maxReplicas        int
	concurrentRequests int
	publicURL          string

	// variables are those of the server that were configured, in the order of the settings.
	variables []variable
}

type variable struct {
	name  string
	value pulumi.StringInput // secret where the configuration is
}

// classicSKU is Basic_C0 in its parts.
type classicSKU struct {
	name, family string
	capacity     int
}

// readConfig reads everything and answers every problem at once, each with the command that mends it.
func readConfig(ctx *pulumi.Context, getenv func(string) string) (*config, error) {
	if getenv == nil {
		var err error
		if getenv, err = environment(); err != nil {
			return nil, err
		}
	}
	r := &reader{values: map[string]string{}}
	for _, s := range settings {
		r.read(ctx, getenv, s)
	}
	r.checkTogether(getenv)
	if len(r.problems) > 0 {
		return nil, fmt.Errorf("stack %s cannot be deployed as it is configured:\n%w", ctx.Stack(), errors.Join(r.problems...))
	}
	return r.config(ctx), nil
}

// environment answers variables of the process, then of .env beside or above it, up to the repository's root.
func environment() (func(string) string, error) {
	folders := []string{"."}
	if root, err := image.Root(); err == nil { // without a repository there is only the working directory
		folders = append(folders, root)
	}
	values := map[string]string{}
	for _, folder := range slices.Backward(folders) {
		file := filepath.Join(folder, ".env")
		read, err := godotenv.Read(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			// The parser's own words quote the line, which may hold a secret.
			return nil, fmt.Errorf("%s cannot be read: want lines like ENTRA_TENANT_ID=…", file)
		}
		for name, value := range read {
			values[name] = value
		}
	}
	return func(name string) string {
		return cmp.Or(os.Getenv(name), values[name])
	}, nil
}

// reader collects values and problems.
type reader struct {
	values   map[string]string
	problems []error
}

func (r *reader) read(ctx *pulumi.Context, getenv func(string) string, s setting) {
	source := s.key
	value, set := ctx.GetConfig(s.key)
	if !set && s.fallback != "" {
		if value = getenv(s.fallback); value != "" {
			source, set = s.fallback, true
		}
	}
	if !set {
		value = s.initial
	}
	value = strings.TrimSpace(value)
	r.values[s.key] = value
	switch {
	case value == "" && s.required:
		r.problem(s, s.key+" is not set")
	case value != "" && s.ok != nil && !s.ok(value):
		got := strconv.Quote(value)
		if s.secret || ctx.IsConfigSecret(s.key) || len(value) > 100 {
			got = "a value"
		}
		r.problem(s, fmt.Sprintf("%s is %s that cannot be used", source, got))
	case value != "" && s.secret && !ctx.IsConfigSecret(s.key):
		r.problem(s, s.key+" is not stored as a secret")
	}
}

func (r *reader) problem(s setting, what string) {
	hint := fmt.Sprintf("pulumi config set %s %s", s.key, s.example)
	if s.secret {
		hint = fmt.Sprintf("pulumi config set %s --secret   (asks for %s)", s.key, s.example)
	}
	if s.fallback != "" {
		hint += fmt.Sprintf("   (or %s in .env)", s.fallback)
	}
	r.problems = append(r.problems, fmt.Errorf("  %s: want %s\n      %s", what, s.want, hint))
}

// failed says whether a value has a problem of its own, after which no other is looked for.
func (r *reader) failed(key string) bool {
	s := find(key)
	return s.required && r.values[key] == "" || r.values[key] != "" && s.ok != nil && !s.ok(r.values[key])
}

// checkTogether finds what is wrong between values that are each right.
func (r *reader) checkTogether(getenv func(string) string) {
	if r.values["entra:audiences"] == "" {
		uri := getenv("SERVER_APP_ID_URI")
		r.values["entra:audiences"] = audiences(r.values["entra:serverAppId"], uri)
		switch {
		case uri != "" && !isAudience(uri):
			r.problem(find("entra:audiences"), fmt.Sprintf("SERVER_APP_ID_URI is %q that cannot be used", uri))
		case r.values["entra:audiences"] == "":
			r.problem(find("entra:serverAppId"), "entra:serverAppId is not set")
		}
	}
	if kind, url := r.values["redis:kind"], r.values["redis:url"]; (kind == existingRedis) != (url != "") && !r.failed("redis:kind") {
		what := "redis:url is not set, which redis:kind existing needs"
		if url != "" {
			what = "redis:url is set, which redis:kind " + kind + " does not use (pulumi config rm redis:url)"
		}
		r.problem(find("redis:url"), what)
	}
	if r.values["redis:kind"] == existingRedis && r.yes("network:private") {
		s := find("network:private")
		s.example = "false"
		r.problem(s, "network:private is true, which cannot make an existing Redis private")
	}
	if name, step := r.values["domain:name"], r.values["domain:step"]; (name == "") != (step == "") && !r.failed("domain:name") && !r.failed("domain:step") {
		missing, given := "domain:step", "domain:name"
		if name == "" {
			missing, given = given, missing
		}
		r.problem(find(missing), missing+" is not set, which "+given+" needs")
	}
	if r.values["telemetry:headers"] != "" && r.values["telemetry:endpoint"] == "" {
		r.problem(find("telemetry:endpoint"), "telemetry:endpoint is not set, which telemetry:headers needs")
	}
	if !r.failed("redis:kind") && r.values["redis:sku"] != "" && !r.skuFits() {
		r.problem(find("redis:sku"), fmt.Sprintf("redis:sku is %q that redis:kind %s does not have", r.values["redis:sku"], r.values["redis:kind"]))
	}
	if !r.failed("redis:kind") && r.values["redis:replicated"] == "false" && r.values["redis:kind"] != managedRedis {
		r.problem(find("redis:kind"), fmt.Sprintf("redis:kind is %s, of which redis:replicated decides nothing: redis:sku does", r.values["redis:kind"]))
	}
	if !r.failed("server:cpu") {
		if pair := memoryFor(r.values["server:cpu"]); r.values["server:memory"] == "" {
			r.values["server:memory"] = pair
		} else if r.values["server:memory"] != pair {
			s := find("server:memory")
			s.example = pair
			r.problem(s, fmt.Sprintf("server:memory is %q with server:cpu %s", r.values["server:memory"], r.values["server:cpu"]))
		}
	}
	if !r.failed("server:minReplicas") && !r.failed("server:maxReplicas") && r.number("server:minReplicas") > r.number("server:maxReplicas") {
		s := find("server:maxReplicas")
		s.example = r.values["server:minReplicas"]
		r.problem(s, fmt.Sprintf("server:maxReplicas is %s, less than server:minReplicas %s", r.values["server:maxReplicas"], r.values["server:minReplicas"]))
	}
}

func (r *reader) skuFits() bool {
	switch r.values["redis:kind"] {
	case existingRedis:
		return false
	case classicRedis:
		_, ok := parseClassicSKU(r.values["redis:sku"])
		return ok
	}
	return managedSKU.MatchString(r.values["redis:sku"])
}

// audiences are both forms in which Entra names the server's app: its id in v2 tokens, its identifier URI in v1 tokens.
func audiences(appID, uri string) string {
	if appID == "" {
		appID = strings.TrimPrefix(uri, "api://")
		if !isGUID(appID) {
			return uri
		}
	}
	all := []string{appID, "api://" + appID}
	if uri != "" && !slices.Contains(all, uri) {
		all = append(all, uri)
	}
	return strings.Join(all, ",")
}

// number is a value that was checked to be one.
func (r *reader) number(key string) int {
	n, _ := strconv.Atoi(r.values[key])
	return n
}

func (r *reader) yes(key string) bool { return r.values[key] == "true" }

// words are the parts of a comma list.
func words(list string) (all []string) {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// config is built only where there was no problem.
func (r *reader) config(ctx *pulumi.Context) *config {
	c := &config{
		azure:              r.values["azure-native:environment"],
		tenantID:           r.values["entra:tenantId"],
		audiences:          r.values["entra:audiences"],
		redisKind:          r.values["redis:kind"],
		redisURL:           r.values["redis:url"],
		redisKey:           r.values["redis:key"],
		replicated:         r.yes("redis:replicated"),
		adminUser:          r.yes("registry:adminUser"),
		registrySKU:        r.values["registry:sku"],
		protect:            r.yes("data:protect"),
		zoneRedundant:      r.yes("network:zoneRedundant"),
		private:            r.yes("network:private"),
		secretStore:        r.values["secrets:store"],
		retentionDays:      r.number("logs:retentionDays"),
		diagnostics:        r.yes("logs:diagnostics"),
		alertEmails:        words(r.values["alerts:email"]),
		domain:             r.values["domain:name"],
		domainStep:         r.values["domain:step"],
		telemetryHeaders:   r.values["telemetry:headers"],
		memory:             r.values["server:memory"],
		minReplicas:        r.number("server:minReplicas"),
		maxReplicas:        r.number("server:maxReplicas"),
		concurrentRequests: r.number("server:concurrentRequests"),
		publicURL:          strings.TrimSuffix(r.values["server:publicUrl"], "/"),
	}
	if c.domainStep == domainBound && c.publicURL == "" {
		c.publicURL = "https://" + c.domain
	}
	c.cpu, _ = strconv.ParseFloat(r.values["server:cpu"], 64) // checked
	sku := r.values["redis:sku"]
	if c.redisKind == classicRedis {
		c.classicSKU, _ = parseClassicSKU(cmp.Or(sku, "Basic_C0"))
	} else {
		c.managedSKU = cmp.Or(sku, "Balanced_B0")
	}
	for _, s := range settings {
		if s.variable == "" || r.values[s.key] == "" {
			continue
		}
		var value pulumi.StringInput = pulumi.String(r.values[s.key])
		if ctx.IsConfigSecret(s.key) {
			value = secret(value.ToStringOutput())
		}
		c.variables = append(c.variables, variable{s.variable, value})
	}
	return c
}
