// Package rollout puts a new version of the app into service without hurting whoever uses the old one.
//
// The new version is staged as a revision without traffic, has to become ready and stay so, and is proven at an
// address of its own. Only then it gets the traffic, is proven again where the clients are, and watched while the old
// revision finishes what it runs. The old one ends last.
//
// What always holds: one revision has all the traffic, and it is one that was proven, or the one that had it before.
// A failure before the traffic moves changes nothing for clients; a failure after it moves the traffic back. There is
// no state but the Cloud's own, so that a run that was killed at any point is taken up by the next: it looks, and
// finishes or reverts.
//
// The logic knows nothing of Azure; whoever runs revisions implements Cloud.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Cloud runs the app's revisions. Every method may be called again after it failed, or after the caller was killed
// half-way: what is done already is not an error.
type Cloud interface {
	// Status tells what there is now. Where there is no app yet, that is the zero Status.
	Status(ctx context.Context) (Status, error)
	// Stage makes the version to be released a revision, unless it is one already. The traffic stays with
	// record.Live; where that is empty, nothing ran before and the new revision may have the traffic once it is ready.
	Stage(ctx context.Context, record Record) (Staged, error)
	// Move gives all the traffic to record.Live, which is active, and changes nothing else.
	Move(ctx context.Context, record Record) error
	// Activate starts a revision, which gets no traffic by that; Deactivate ends one that has none.
	Activate(ctx context.Context, revision string) error
	Deactivate(ctx context.Context, revision string) error
}

// Record is what the last Stage or Move noted.
type Record struct {
	Live     string // the revision with all the traffic
	Previous string // the one that had it before, for a rollback
}

// Status is what a Cloud has.
type Status struct {
	Record
	URL       string     // the MCP endpoint that clients use
	Revisions []Revision // the oldest first, inactive ones too
}

// Revision is one version of the app.
type Revision struct {
	Name     string
	Image    string
	URL      string // the MCP endpoint at the revision's own address
	Active   bool   // it runs, or is to run
	Ready    bool   // all that it needs is there: it could have traffic now
	Restarts int    // how often its replicas had to be started again, as far as that is known
	Weight   int    // per cent of the traffic
	Problem  string // what keeps it from becoming ready, if that is known
}

// Staged is the revision of the version to be released.
type Staged struct {
	Revision string
	Build    string // what its servers give for their version
}

// Prove tests the server at an MCP endpoint, which must be of that build, or of any if that is empty. It returns the
// build that answered. The error is ErrOtherBuild if that was another one.
type Prove func(ctx context.Context, url, build string) (answered string, err error)

// ErrOtherBuild tells that another version than the expected one answered.
var ErrOtherBuild = errors.New("another version answered")

// find returns a revision by its name, and whether there is one.
func (s Status) find(name string) (Revision, bool) {
	for _, r := range s.Revisions {
		if r.Name == name {
			return r, true
		}
	}
	return Revision{}, false
}

// live is the revision with the traffic; its name is empty where none has any.
func (s Status) live() (Revision, error) {
	var serving []Revision
	var shares []string
	for _, r := range s.Revisions {
		if r.Weight > 0 {
			serving = append(serving, r)
			shares = append(shares, fmt.Sprintf("%s %d %%", r.Name, r.Weight))
		}
	}
	switch len(serving) {
	case 0:
		return Revision{}, nil
	case 1:
		return serving[0], nil
	}
	return Revision{}, fmt.Errorf("the traffic is split: %s; somebody is at work there, or was: give all of it to one revision first", strings.Join(shares, ", "))
}

// before is the revision that had the traffic before the live one, as far as is known: the one that a rollback
// returns to. Where the traffic moved and nobody noted it, that is the recorded one.
func (s Status) before(live Revision) (Revision, bool) {
	for _, name := range []string{s.Live, s.Previous} {
		if r, ok := s.find(name); ok && name != live.Name {
			return r, true
		}
	}
	return Revision{}, false
}
