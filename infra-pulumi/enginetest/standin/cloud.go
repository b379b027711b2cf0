// Package standin stands in for Azure where there is none: a pretend subscription
// (Cloud) behind a provider that the real Pulumi engine takes for azure-native.
//
// The provider is served from the process of the test, and the engine is told by
// its environment (Server.Env) to attach to it. There is no plugin binary, so none
// can end up on a PATH and be used by a real `pulumi up`.
//
// What it keeps of Azure: request bodies are checked against Azure's own types;
// names, parents and references must exist; computed outputs and key functions
// answer; secrets are never read back; Container Apps keep revisions (revisions.go).
// What it does not: quotas, regions, long-running operations, permissions. Error
// codes and texts are in Azure's manner, not Azure's own.
package standin

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
)

const groupType = "Microsoft.Resources/resourceGroups"

// Options say what the pretend subscription is like.
type Options struct {
	Subscription string              // its id; empty: one that no Azure has
	Types        *armtypes.Set       // request bodies are checked against these; nil: not at all
	LoginServer  string              // of every registry; empty: <name>.azurecr.io
	Domain       string              // of every environment; empty: a reserved one
	Granted      time.Time           // when every role was assigned; zero: long ago
	Ready        func(Revision) bool // whether a revision is ready to serve; nil: at once. Must not call the Cloud.
}

// Cloud is a pretend subscription. All methods may be called at any time, from any
// goroutine, also while the engine is at work.
type Cloud struct {
	options Options

	mu        sync.Mutex
	resources map[string]*record // by ID, in lower case
	failures  map[operation]Failure
	unchecked map[string]bool
	readOnly  bool
	missing   map[string]bool // resource providers that are not registered
}

// record is one resource as it was last asked for; what Azure computes is derived
// from it when it is read.
type record struct {
	id        string
	name      string // logical, in the program
	kind      kind
	inputs    object // azure-native's, without marks
	revisions []*Revision
	rotations int // of its keys
}

// New returns an empty subscription.
func New(o Options) *Cloud {
	if o.Granted.IsZero() {
		o.Granted = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	o.Subscription = cmp.Or(o.Subscription, "00000000-0000-0000-0000-000000000000")
	o.Domain = cmp.Or(o.Domain, "stand-in.azurecontainerapps.example")
	return &Cloud{
		options:   o,
		resources: map[string]*record{},
		failures:  map[operation]Failure{},
		unchecked: map[string]bool{},
		missing:   map[string]bool{},
	}
}

// Resource is what a test sees of a resource.
type Resource struct {
	ID, Type string
	Name     string // logical, in the program
}

// Resources lists what there is, sorted by ID.
func (c *Cloud) Resources() []Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Resource
	for _, id := range slices.Sorted(maps.Keys(c.resources)) {
		r := c.resources[id]
		out = append(out, Resource{ID: r.id, Type: r.kind.arm, Name: r.name})
	}
	return out
}

// Unchecked lists the types, with their API version, of which request bodies were
// not checked because Options.Types does not know them.
func (c *Cloud) Unchecked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.unchecked))
}

// Change edits a resource behind Pulumi's back, as somebody in the portal would.
// edit gets azure-native's inputs. The resource is named as in the program.
func (c *Cloud) Change(name string, edit func(inputs map[string]any)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.named(name)
	if err != nil {
		return err
	}
	inputs := plain(r.inputs).(object)
	edit(inputs)
	return c.put(r.id, r.name, r.kind, inputs)
}

// Inputs are what a resource was last asked to be, azure-native's, with its secrets. It is
// named as in the program.
func (c *Cloud) Inputs(name string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.named(name)
	if err != nil {
		return nil, err
	}
	return plain(r.inputs).(object), nil
}

// Remove deletes a resource behind Pulumi's back.
func (c *Cloud) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.named(name)
	if err != nil {
		return err
	}
	return c.remove(r.id)
}

// Rotate gives a resource new keys.
func (c *Cloud) Rotate(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.named(name)
	if err != nil {
		return err
	}
	r.rotations++
	return nil
}

// Unregister takes a resource provider such as Microsoft.App from the subscription; Register
// gives it back. New subscriptions have them all.
func (c *Cloud) Unregister(namespace string) { c.register(namespace, false) }

// Register undoes Unregister.
func (c *Cloud) Register(namespace string) { c.register(namespace, true) }

func (c *Cloud) register(namespace string, registered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing[namespace] = !registered
}

// ReadOnly takes from whoever deploys every right but that to read: key functions are refused.
func (c *Cloud) ReadOnly(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readOnly = on
}

// Operation is what the engine asks of a resource.
type Operation string

// The operations that can be made to fail.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
)

type operation struct {
	op   Operation
	name string
}

// Failure is how an operation fails.
type Failure struct {
	Err error
	// Late lets Azure do it first and then fail, as a long-running operation does.
	Late bool
}

// Fail makes the next op on the resource of that logical name fail, once.
func (c *Cloud) Fail(op Operation, name string, f Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures[operation{op, name}] = f
}

// Failures lists the resources of which an op is still to fail.
func (c *Cloud) Failures(op Operation) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for at := range c.failures {
		if at.op == op {
			names = append(names, at.name)
		}
	}
	slices.Sort(names)
	return names
}

// failure takes what Fail left.
func (c *Cloud) failure(op Operation, name string) Failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer delete(c.failures, operation{op, name})
	return c.failures[operation{op, name}]
}

// Token is the access token that the provider's getClientToken answers.
var Token = key("token")

// The rest of this file expects c.mu to be held.

func (c *Cloud) find(id string) *record { return c.resources[strings.ToLower(id)] }

func (c *Cloud) named(name string) (*record, error) {
	for _, r := range c.resources {
		if r.name == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("the stand-in has no resource %q", name)
}

// put creates or replaces a resource, as an ARM PUT does. name is the logical one.
func (c *Cloud) put(id, name string, k kind, inputs object) error {
	for _, needed := range c.needs(id, k, inputs) {
		if c.find(needed) == nil {
			return azureError("ResourceNotFound", "The Resource '%s' was not found.", needed)
		}
	}
	r := &record{id: id, name: name, kind: k, inputs: inputs}
	if old := c.find(id); old != nil {
		r.revisions, r.rotations = old.revisions, old.rotations
	}
	if err := c.checkDomain(k, inputs); err != nil {
		return err
	}
	if k.arm == appType {
		if err := c.revise(r); err != nil {
			return err
		}
	}
	c.resources[strings.ToLower(id)] = r
	return nil
}

// needs lists the resources that must exist before this one.
func (c *Cloud) needs(id string, k kind, inputs object) []string {
	var ids []string
	if k.arm != groupType {
		ids = append(ids, parent(id))
	}
	for _, domain := range domains(k, inputs) {
		if certificate, _ := domain["certificateId"].(string); certificate != "" {
			ids = append(ids, certificate)
		}
	}
	for _, path := range k.references {
		if v, ok := lookup(inputs, path).(string); ok && v != "" {
			ids = append(ids, v)
		}
	}
	return ids
}

// remove deletes a resource and all within it.
func (c *Cloud) remove(id string) error {
	for _, r := range c.resources {
		for _, needed := range c.needs(r.id, r.kind, r.inputs) {
			within := strings.HasPrefix(strings.ToLower(r.id), strings.ToLower(id)+"/")
			if strings.EqualFold(needed, id) && !within {
				return azureError("ResourceInUse", "'%s' is in use by '%s'.", id, r.id)
			}
		}
	}
	maps.DeleteFunc(c.resources, func(other string, _ *record) bool {
		return other == strings.ToLower(id) || strings.HasPrefix(other, strings.ToLower(id)+"/")
	})
	return nil
}

// parent cuts an ID to that of the resource or group that it lies in.
func parent(id string) string {
	segments := strings.Split(id, "/")
	segments = segments[:len(segments)-2]
	// .../providers/Namespace remains of a resource right in a group or on a scope.
	if n := len(segments); n >= 2 && segments[n-2] == "providers" {
		segments = segments[:n-2]
	}
	return strings.Join(segments, "/")
}

// refusal is an error of Azure's; azure-native reports it as Error does.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return fmt.Sprintf("Code=%q Message=%q", r.Code, r.Message) }

func azureError(code, format string, a ...any) error {
	return &refusal{code, fmt.Sprintf(format, a...)}
}

// key and guid are made up from a seed, so that the same question has one answer.
func key(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func guid(seed string) string {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(seed)))
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:32]}, "-")
}
