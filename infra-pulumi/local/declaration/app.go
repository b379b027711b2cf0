// Package declaration is the Container App that the Pulumi program declares,
// as the local run reads it: only what it can honour, and a refusal of what
// Azure would refuse or what could not work there.
package declaration

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// App is a Container App. The field names are Azure's.
type App struct {
	Name          string        `json:"containerAppName"`
	Configuration Configuration `json:"configuration"`
	Template      Template      `json:"template"`
}

// Configuration is what all revisions of an app share.
type Configuration struct {
	Ingress *Ingress `json:"ingress"`
	Secrets []Secret `json:"secrets"`
}

// Ingress says where requests from outside go.
type Ingress struct {
	External   bool   `json:"external"`
	TargetPort int    `json:"targetPort"`
	Transport  string `json:"transport"`
}

// Secret is a value that variables refer to by name.
type Secret struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	KeyVaultURL string `json:"keyVaultUrl"`
}

// Template is what a change of makes a new revision.
type Template struct {
	Containers []Container `json:"containers"`
	Scale      Scale       `json:"scale"`
	// Seconds between SIGTERM and SIGKILL.
	TerminationGracePeriodSeconds *float64 `json:"terminationGracePeriodSeconds"`
}

// Scale bounds the number of replicas.
type Scale struct {
	MinReplicas *int `json:"minReplicas"`
	MaxReplicas *int `json:"maxReplicas"`
}

// Container is one process of each replica.
type Container struct {
	Name    string     `json:"name"`
	Image   string     `json:"image"`
	Command []string   `json:"command"`
	Args    []string   `json:"args"`
	Env     []Variable `json:"env"`
	Probes  []Probe    `json:"probes"`
}

// Variable has a value or names a secret.
type Variable struct {
	Name      string  `json:"name"`
	Value     *string `json:"value"`
	SecretRef string  `json:"secretRef"`
}

// The kinds of a probe.
const (
	Startup   = "Startup"
	Liveness  = "Liveness"
	Readiness = "Readiness"
)

// Probe is a question that is asked of a replica again and again.
type Probe struct {
	Type                string   `json:"type"`
	HTTPGet             *HTTPGet `json:"httpGet"`
	InitialDelaySeconds int      `json:"initialDelaySeconds"`
	PeriodSeconds       int      `json:"periodSeconds"`
	TimeoutSeconds      int      `json:"timeoutSeconds"`
	FailureThreshold    int      `json:"failureThreshold"`
	SuccessThreshold    int      `json:"successThreshold"`
}

// HTTPGet is answered by a status of 200 to 399.
type HTTPGet struct {
	Path string `json:"path"`
	Port int    `json:"port"`
}

// What Azure Container Apps does where the declaration is silent.
const (
	defaultGrace     = 30 * time.Second
	defaultPeriod    = 10
	defaultTimeout   = 1
	defaultThreshold = 3
)

// Parse reads an app from the inputs of its resource, without secrets' marks,
// and names everything in it that could not work.
func Parse(inputs map[string]any) (*App, error) {
	text, err := json.Marshal(inputs)
	if err != nil {
		return nil, err
	}
	app := new(App)
	if err := json.Unmarshal(text, app); err != nil {
		// json's error names the field and the types, never the value.
		return nil, fmt.Errorf("the declared Container App: %w", err)
	}
	for i := range app.Template.Containers {
		for j := range app.Template.Containers[i].Probes {
			app.Template.Containers[i].Probes[j].setDefaults()
		}
	}
	if problems := app.problems(); len(problems) > 0 {
		return nil, fmt.Errorf("the declared Container App cannot run:\n  - %s", strings.Join(problems, "\n  - "))
	}
	return app, nil
}

func (p *Probe) setDefaults() {
	for _, field := range []struct {
		value *int
		unset int
	}{
		{&p.PeriodSeconds, defaultPeriod},
		{&p.TimeoutSeconds, defaultTimeout},
		{&p.FailureThreshold, defaultThreshold},
		{&p.SuccessThreshold, 1},
	} {
		if *field.value == 0 {
			*field.value = field.unset
		}
	}
}

// Container is the app's only container; Parse made sure of it.
func (a *App) Container() Container { return a.Template.Containers[0] }

// Replicas is how many to run: the declared minimum, but never fewer than two,
// for what fails with several replicas shall fail here first.
func (a *App) Replicas() int {
	if declared := a.Template.Scale.MinReplicas; declared != nil {
		return max(2, *declared)
	}
	return 2
}

// Grace is the time from SIGTERM to SIGKILL.
func (a *App) Grace() time.Duration {
	if declared := a.Template.TerminationGracePeriodSeconds; declared != nil {
		return time.Duration(*declared * float64(time.Second))
	}
	return defaultGrace
}

// Secrets are the values that must not be shown.
func (a *App) Secrets() []string {
	var values []string
	for _, secret := range a.Configuration.Secrets {
		values = append(values, secret.Value)
	}
	return values
}

// Probe finds a probe of a kind.
func (c Container) Probe(kind string) (Probe, bool) {
	for _, probe := range c.Probes {
		if probe.Type == kind {
			return probe, true
		}
	}
	return Probe{}, false
}

// Environment is what the container sees: the image's own variables and, over
// them, the declared ones with their secrets resolved.
func (a *App) Environment(image []string) map[string]string {
	environment := make(map[string]string)
	for _, entry := range image {
		name, value, _ := strings.Cut(entry, "=")
		environment[name] = value
	}
	secrets := make(map[string]string)
	for _, secret := range a.Configuration.Secrets {
		secrets[secret.Name] = secret.Value
	}
	for _, variable := range a.Container().Env {
		switch {
		case variable.SecretRef != "":
			environment[variable.Name] = secrets[variable.SecretRef]
		case variable.Value != nil:
			environment[variable.Name] = *variable.Value
		}
	}
	return environment
}
