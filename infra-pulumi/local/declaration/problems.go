package declaration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Names that Azure takes, and the limits that it sets.
var secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

const (
	maxPort      = 65535
	maxThreshold = 10
	maxPeriod    = 240
	maxGrace     = 600
)

// problems lists whatever is wrong with the app, without any value of a secret.
func (a *App) problems() []string {
	var found problems
	if containers := len(a.Template.Containers); containers != 1 {
		found.add("%d containers are declared; this runs exactly one", containers)
		return found
	}
	found.ingress(a.Configuration.Ingress)
	found.secrets(a.Configuration.Secrets)
	found.scale(a.Template)

	container := a.Container()
	if !strings.Contains(container.Image, "@sha256:") {
		found.add("the image %q is not named by its digest", container.Image)
	}
	if len(container.Command)+len(container.Args) > 0 {
		found.add("command and args are declared; this runs the image's entry point as it is")
	}
	found.variables(container.Env, a.Configuration.Secrets)
	found.probes(container.Probes)
	return found
}

// problems is a list that grows.
type problems []string

func (p *problems) add(format string, args ...any) {
	*p = append(*p, fmt.Sprintf(format, args...))
}

func (p *problems) ingress(ingress *Ingress) {
	if ingress == nil {
		p.add("no ingress is declared: nothing could reach the server")
		return
	}
	if !ingress.External {
		p.add("the ingress is not external: nothing outside its environment could reach the server")
	}
	if ingress.TargetPort < 1 || ingress.TargetPort > maxPort {
		p.add("the ingress's targetPort is %d", ingress.TargetPort)
	}
	if !slices.Contains([]string{"", "auto", "http"}, strings.ToLower(ingress.Transport)) {
		p.add("the ingress's transport is %q; the server speaks http", ingress.Transport)
	}
}

func (p *problems) secrets(secrets []Secret) {
	seen := make(map[string]bool)
	for _, secret := range secrets {
		switch {
		case !secretName.MatchString(secret.Name):
			p.add("the secret name %q has more than lower case letters, digits and dashes", secret.Name)
		case seen[secret.Name]:
			p.add("the secret %q is declared twice", secret.Name)
		case secret.KeyVaultURL != "":
			p.add("the secret %q lives in a key vault, which this machine cannot reach", secret.Name)
		case secret.Value == "":
			p.add("the secret %q is empty", secret.Name)
		}
		seen[secret.Name] = true
	}
}

func (p *problems) variables(variables []Variable, secrets []Secret) {
	seen := make(map[string]bool)
	for _, variable := range variables {
		isSecret := func(s Secret) bool { return s.Name == variable.SecretRef }
		switch {
		case variable.Name == "":
			p.add("a variable has no name")
		case seen[variable.Name]:
			p.add("the variable %s is declared twice", variable.Name)
		case variable.SecretRef == "" && variable.Value == nil:
			p.add("the variable %s has neither a value nor a secretRef", variable.Name)
		case variable.SecretRef != "" && variable.Value != nil:
			p.add("the variable %s has both a value and a secretRef", variable.Name)
		case variable.SecretRef != "" && !slices.ContainsFunc(secrets, isSecret):
			p.add("the variable %s refers to the secret %q, which is not declared", variable.Name, variable.SecretRef)
		}
		seen[variable.Name] = true
	}
}

func (p *problems) probes(declared []Probe) {
	for _, kind := range []string{Startup, Liveness, Readiness} {
		ofKind := func(probe Probe) bool { return probe.Type == kind }
		if !slices.ContainsFunc(declared, ofKind) {
			p.add("no %s probe is declared", kind)
		}
	}
	seen := make(map[string]bool)
	for _, probe := range declared {
		if !slices.Contains([]string{Startup, Liveness, Readiness}, probe.Type) {
			p.add("a probe's type is %q", probe.Type)
		}
		if seen[probe.Type] {
			p.add("the %s probe is declared twice", probe.Type)
		}
		seen[probe.Type] = true
		if probe.HTTPGet == nil {
			p.add("the %s probe has no httpGet", probe.Type)
			continue
		}
		if !strings.HasPrefix(probe.HTTPGet.Path, "/") {
			p.add("the %s probe's path is %q", probe.Type, probe.HTTPGet.Path)
		}
		for _, field := range []struct {
			name            string
			value, min, max int
		}{
			{"port", probe.HTTPGet.Port, 1, maxPort},
			{"initialDelaySeconds", probe.InitialDelaySeconds, 0, 60},
			{"periodSeconds", probe.PeriodSeconds, 1, maxPeriod},
			{"timeoutSeconds", probe.TimeoutSeconds, 1, maxPeriod},
			{"failureThreshold", probe.FailureThreshold, 1, maxThreshold},
			{"successThreshold", probe.SuccessThreshold, 1, maxThreshold},
		} {
			if field.value < field.min || field.value > field.max {
				p.add("the %s probe's %s is %d; Azure takes %d to %d", probe.Type, field.name, field.value, field.min, field.max)
			}
		}
	}
}

func (p *problems) scale(template Template) {
	scale := template.Scale
	if scale.MaxReplicas != nil && scale.MinReplicas != nil && *scale.MaxReplicas < *scale.MinReplicas {
		p.add("maxReplicas is %d, fewer than minReplicas, %d", *scale.MaxReplicas, *scale.MinReplicas)
	}
	if grace := template.TerminationGracePeriodSeconds; grace != nil && (*grace < 0 || *grace > maxGrace) {
		p.add("terminationGracePeriodSeconds is %v; Azure takes 0 to %d", *grace, maxGrace)
	}
}
