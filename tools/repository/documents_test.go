package repository

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// documents are what people read, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range files(t, ".md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

// matches are what the expression's group matches, each once.
func matches(expression, text string) (found []string) {
	for _, match := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestCommands: settings, outputs and programs that a document has people use exist, as its tasks do.
func TestCommands(t *testing.T) {
	settings := append(matches("(?m)^\\| `([^`]+)`", read(t, "infra-pulumi/stack/settings.md")), "KEY")
	outputs := append(matches(`(?m)^\s+"(\w+)":`, read(t, "infra-pulumi/stack/outputs.go")), matches(`outputs\["(\w+)"\]`, read(t, "infra-pulumi/stack/outputs.go"))...)
	commands := 0
	for path, text := range documents(t) {
		for what, c := range map[string]struct {
			expression string
			known      []string
		}{
			"setting": {`pulumi config set (?:--?\w+ )*([A-Za-z:-]+)`, settings},
			"output":  {`pulumi stack output (\w+)`, outputs},
		} {
			for _, name := range matches(c.expression, text) {
				commands++
				if !slices.Contains(c.known, name) {
					t.Errorf("%s names the %s %s, which does not exist", path, what, name)
				}
			}
		}
		for _, program := range matches(`go run (\./[\w/-]+)`, text) {
			if _, err := os.Stat(filepath.Join(root, program, "main.go")); err != nil {
				t.Errorf("%s runs %s: %v", path, program, err)
			}
		}
	}
	if commands < 10 {
		t.Errorf("found %d commands only", commands)
	}
}

// TestTelemetryIsExplained: docs/operate.md has every metric, and every way in which an operation fails.
func TestTelemetryIsExplained(t *testing.T) {
	operate := read(t, "docs/operate.md")
	metrics := matches(`"((?:mcp|http|db|prynai)\.[a-z.]+\.(?:duration|open|active|up|info))"`,
		read(t, "server/internal/telemetry/telemetry.go")+read(t, "server/service.go")+read(t, "server/main.go"))
	failures := matches(`(?:Failure: +|return )"([a-z_]+|_OTHER)"`, read(t, "server/internal/mcphttp/telemetry.go"))
	if len(metrics) < 9 || len(failures) < 9 {
		t.Errorf("found the metrics %q and the failures %q only", metrics, failures)
	}
	for _, name := range slices.Concat(metrics, failures) {
		if !strings.Contains(operate, "`"+name+"`") {
			t.Errorf("docs/operate.md does not say what %s is", name)
		}
	}
}

// TestAlertsAreExplained: docs/operate.md says of each alert what to do.
func TestAlertsAreExplained(t *testing.T) {
	var declared map[string]struct{ RuleName string }
	if err := json.Unmarshal([]byte(read(t, "infra-pulumi/stack/testdata/guarded.json")), &declared); err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, resource := range declared {
		name, is := strings.CutPrefix(resource.RuleName, "prynai-mcp-dev-")
		if !is {
			continue
		}
		alerts++
		if !strings.Contains(read(t, "docs/operate.md"), "\n| `…-"+name+"`: ") {
			t.Errorf("docs/operate.md does not say what the alert %s means", name)
		}
	}
	if alerts != 3 {
		t.Errorf("found %d alerts", alerts)
	}
}

// TestCosts: the estimates are of the stacks as they are configured, at the unit prices that docs/costs.md names.
func TestCosts(t *testing.T) {
	costs := read(t, "docs/costs.md")
	price := func(expression string) float64 {
		value, err := strconv.ParseFloat(strings.Join(matches(expression, costs), ""), 64)
		if err != nil {
			t.Fatalf("docs/costs.md names no price as %s", expression)
		}
		return value
	}
	active, idle := price(`vCPU-second (0\.\d+) active`), price(`active, (0\.\d+) idle`)
	memory := price(`GiB-second (0\.\d+)`)
	for _, stack := range []string{"dev", "prod"} {
		var file struct{ Config map[string]string }
		if err := yaml.Unmarshal([]byte(read(t, "Pulumi."+stack+".yaml")), &file); err != nil {
			t.Fatal(err)
		}
		number := func(key, otherwise string) float64 {
			text := file.Config[key]
			if text == "" {
				text = otherwise
			}
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		const month = 730 * 3600 // seconds
		replicas, cpu := number("server:minReplicas", "1"), number("server:cpu", "0.5")
		of := func(vcpu float64) float64 { return month * replicas * cpu * (vcpu + 2*memory) } // 2 Gi to a core
		_, section, _ := strings.Cut(costs, "## `"+stack+"`")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, want := range []string{
			fmt.Sprintf("| %g replica", replicas), fmt.Sprintf("%g vCPU, %g Gi", cpu, 2*cpu),
			fmt.Sprintf("| %.0f | %.0f |", of(idle), of(active)), file.Config["redis:sku"],
		} {
			if !strings.Contains(section, want) {
				t.Errorf("docs/costs.md does not have %q for %s", want, stack)
			}
		}
	}
}
