package standin

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
)

// A Container App keeps revisions, as Azure's do:
//
//   - a new one is made only when the template changes;
//   - its suffix must be one that was never used;
//   - in Single mode the newest takes over when it is ready, and the others end;
//   - in Multiple mode traffic goes as the entries say, which must name active
//     revisions and add up to 100; without entries the newest ready one has it all.

// Revision is one version of an app's template.
type Revision struct {
	App      string // the app's ID
	Name     string
	FQDN     string
	Template map[string]any
	Active   bool
	Ready    bool
	Weight   int // per cent of the app's traffic
}

// Revisions lists an app's revisions, the oldest first. The app is named as in the
// program.
func (c *Cloud) Revisions(app string) ([]Revision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.named(app)
	if err != nil {
		return nil, err
	}
	return c.snapshot(r), nil
}

func (c *Cloud) revisionsOf(id string) ([]Revision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.app(id)
	if err != nil {
		return nil, err
	}
	return c.snapshot(r), nil
}

func (c *Cloud) app(id string) (*record, error) {
	if r := c.find(id); r != nil && r.kind.arm == appType {
		return r, nil
	}
	return nil, azureError("ResourceNotFound", "The Resource '%s' was not found.", id)
}

func (c *Cloud) snapshot(r *record) []Revision {
	var out []Revision
	for _, revision := range c.settle(r) {
		out = append(out, *revision)
	}
	return out
}

// revise makes of an app's inputs what Azure would: perhaps another revision.
func (c *Cloud) revise(r *record) error {
	template, _ := r.inputs["template"].(object)
	app := r.id[strings.LastIndexByte(r.id, '/')+1:]
	revisions := r.revisions
	if n := len(revisions); n == 0 || !reflect.DeepEqual(revisions[n-1].Template, template) {
		suffix, given := template["revisionSuffix"].(string)
		if !given || suffix == "" {
			suffix = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", r.id, n)))[:7]
		}
		name := app + "--" + suffix
		for _, old := range revisions {
			if old.Name == name {
				return azureError("InvalidTemplate", "Revision with suffix %s already exists.", suffix)
			}
		}
		// The old list belongs to the old record until this one is accepted.
		revisions = append(revisions[:n:n], &Revision{App: r.id, Name: name, FQDN: name + "." + c.options.Domain, Template: template, Active: true})
	}
	if err := checkTraffic(r, revisions); err != nil {
		return err
	}
	r.revisions = revisions
	c.settle(r)
	return nil
}

// settle brings readiness, activity and traffic up to date, and returns the revisions.
func (c *Cloud) settle(r *record) []*Revision {
	if len(r.revisions) == 0 {
		return nil
	}
	latest := r.revisions[len(r.revisions)-1]
	var ready *Revision // the newest that can serve
	for _, revision := range r.revisions {
		revision.Weight = 0
		revision.Ready = revision.Active && (c.options.Ready == nil || c.options.Ready(*revision))
		if revision.Ready {
			ready = revision
		}
	}
	entries := traffic(r)
	if single(r) || len(entries) == 0 {
		if ready != nil {
			ready.Weight = 100
		}
	}
	if single(r) {
		if latest.Ready {
			for _, revision := range r.revisions {
				revision.Active = revision == latest
			}
		}
		return r.revisions
	}
	for _, e := range entries {
		target := ready
		if e.revision != "" {
			target = find(r.revisions, e.revision)
		}
		if target != nil {
			target.Weight += e.weight
		}
	}
	return r.revisions
}

// entry is one entry of an ingress's traffic; without a revision it is for the latest.
type entry struct {
	revision string
	weight   int
}

func traffic(r *record) []entry {
	list, _ := lookup(r.inputs, []string{"configuration", "ingress", "traffic"}).([]any)
	var out []entry
	for _, e := range list {
		m, _ := e.(object)
		revision, _ := m["revisionName"].(string)
		weight, _ := m["weight"].(float64)
		out = append(out, entry{revision, int(weight)})
	}
	return out
}

func single(r *record) bool {
	mode, _ := lookup(r.inputs, []string{"configuration", "activeRevisionsMode"}).(string)
	return mode == "" || mode == "Single"
}

func checkTraffic(r *record, revisions []*Revision) error {
	entries := traffic(r)
	if single(r) || len(entries) == 0 {
		return nil
	}
	sum := 0
	for _, e := range entries {
		sum += e.weight
		if e.revision == "" {
			continue
		}
		revision := find(revisions, e.revision)
		if revision == nil {
			return azureError("RevisionNotFound", "Traffic names the revision %s, which does not exist.", e.revision)
		}
		if e.weight > 0 && !revision.Active {
			return azureError("RevisionInactive", "Traffic names the revision %s, which is not active.", e.revision)
		}
	}
	if sum != 100 {
		return azureError("InvalidTrafficWeights", "The weights of the traffic add up to %d instead of 100.", sum)
	}
	return nil
}

func find(revisions []*Revision, name string) *Revision {
	for _, r := range revisions {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// setActive activates or deactivates a revision. What Azure does about one that has
// traffic was never seen; here it is refused, since nothing should ever ask for it.
func (c *Cloud) setActive(appID, name string, active bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.app(appID)
	if err != nil {
		return err
	}
	revision := find(c.settle(r), name)
	if revision == nil {
		return azureError("RevisionNotFound", "The revision %s does not exist.", name)
	}
	if !active && revision.Weight > 0 {
		return azureError("RevisionInUse", "The revision %s has %d per cent of the traffic.", name, revision.Weight)
	}
	revision.Active = active
	return nil
}
