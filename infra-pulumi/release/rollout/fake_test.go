package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

const stable = "https://app/mcp"

// limits are those on Azure.
var limits = Limits{
	Ready: 8 * time.Minute, Patience: 5 * time.Minute, Soak: 30 * time.Second,
	Settle: 2 * time.Minute, Drain: 240 * time.Second, Poll: 3 * time.Second,
}

var errKilled = errors.New("killed")

// fake is a Cloud whose revisions are called after what is wrong with them: their build.
type fake struct {
	mu        sync.Mutex // revisions change by themselves, too: see later
	t         *testing.T
	next      string // the build that Stage releases
	revisions []*Revision
	record    Record
	proven    map[string]bool

	calls  []string
	fail   string // the call that fails, once, after it had its effect
	refuse string // the call that fails, once, without effect
	killAt int    // the call in which the release is killed; 0: none
	late   bool   // killed after the effect instead of before it
}

// running is a cloud on which a good revision has been released.
func running(t *testing.T) *fake {
	f := &fake{t: t, proven: map[string]bool{"good-1": true}}
	f.revisions = []*Revision{{Name: "good-1", URL: own("good-1"), Active: true, Ready: true, Weight: 100}}
	f.record = Record{Live: "good-1"}
	return f
}

func own(name string) string { return "https://" + name + "/mcp" }

// call notes a call and lets it fail as it is to.
func (f *fake) call(what string, effect func() error) error {
	if f.killAt > 0 && len(f.calls) >= f.killAt {
		return errKilled // whoever is dead calls nothing
	}
	f.calls = append(f.calls, what)
	if f.refuse == what {
		f.refuse = ""
		return fmt.Errorf("%s: refused", what)
	}
	killed := f.killAt == len(f.calls)
	if killed && !f.late {
		return errKilled
	}
	if err := effect(); err != nil {
		return err
	}
	f.check()
	if killed {
		return errKilled
	}
	if f.fail == what {
		f.fail = ""
		return fmt.Errorf("%s: failed", what)
	}
	return nil
}

// check is what must hold at any time.
func (f *fake) check() {
	f.t.Helper()
	sum := 0
	for _, r := range f.revisions {
		sum += r.Weight
		if r.Weight > 0 && (!r.Active || !f.proven[r.Name]) {
			f.t.Errorf("%s has traffic: active %v, proven %v\n%s", r.Name, r.Active, f.proven[r.Name], strings.Join(f.calls, "\n"))
		}
	}
	if sum != 100 {
		f.t.Errorf("the weights add up to %d", sum)
	}
}

func (f *fake) find(name string) *Revision {
	for _, r := range f.revisions {
		if r.Name == name {
			return r
		}
	}
	f.t.Fatalf("there is no revision %s", name)
	return nil
}

func (f *fake) Status(context.Context) (Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.killAt > 0 && len(f.calls) >= f.killAt {
		return Status{}, errKilled
	}
	s := Status{Record: f.record, URL: stable}
	for _, r := range f.revisions {
		s.Revisions = append(s.Revisions, *r)
	}
	return s, nil
}

func (f *fake) Stage(_ context.Context, record Record) (Staged, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.call("stage", func() error {
		f.record = record
		if n := len(f.revisions); n > 0 && f.revisions[n-1].Name == f.next {
			return nil
		}
		made := &Revision{Name: f.next, URL: own(f.next)}
		if record.Live == "" { // Azure gives it the traffic as soon as it is ready
			made.Weight, f.proven[f.next] = 100, true
		}
		f.revisions = append(f.revisions, made)
		f.start(made)
		return nil
	})
	return Staged{Revision: f.next, Build: f.next}, err
}

// start starts a revision, which becomes ready in a while unless that is what is wrong with it.
func (f *fake) start(r *Revision) {
	r.Active, r.Ready = true, false
	switch {
	case strings.HasPrefix(r.Name, "never-ready"):
	case strings.HasPrefix(r.Name, "problem"):
		r.Problem = "the image cannot be pulled"
	default:
		f.later(5*time.Second, func() { r.Ready = r.Active })
	}
	switch {
	case strings.HasPrefix(r.Name, "crash-after-20s"):
		f.later(20*time.Second, func() { r.Restarts++; r.Ready = false })
		f.later(25*time.Second, func() { r.Ready = r.Active; f.crashAgain(r) })
	case strings.HasPrefix(r.Name, "crash-in-drain"):
		f.later(100*time.Second, func() { r.Ready = false })
	}
}

// later changes a revision after a while.
func (f *fake) later(d time.Duration, change func()) {
	time.AfterFunc(d, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		change()
	})
}

func (f *fake) crashAgain(r *Revision) {
	f.later(20*time.Second, func() { r.Restarts++; r.Ready = false })
	f.later(25*time.Second, func() {
		if r.Ready = r.Active; r.Active {
			f.crashAgain(r)
		}
	})
}

func (f *fake) Move(_ context.Context, record Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("move "+record.Live, func() error {
		for _, r := range f.revisions {
			r.Weight = 0
		}
		f.find(record.Live).Weight = 100
		f.record = record
		return nil
	})
}

func (f *fake) Activate(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("activate "+name, func() error { f.start(f.find(name)); return nil })
}

func (f *fake) Deactivate(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("deactivate "+name, func() error {
		r := f.find(name)
		if r.Weight > 0 {
			f.t.Errorf("%s is deactivated while it has traffic", name)
		}
		r.Active, r.Ready = false, false
		return nil
	})
}

// prove is the smoke test. What is wrong on the stable address only is called so.
func (f *fake) prove(ctx context.Context, url, build string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var at *Revision
	for _, r := range f.revisions {
		if r.URL == url || url == stable && r.Weight > 0 {
			at = r
		}
	}
	err := f.call("prove "+url, func() error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case at == nil || !at.Ready:
			return errors.New("nothing answers")
		case build != "" && build != at.Name:
			return ErrOtherBuild
		case strings.HasPrefix(at.Name, "wrong"), strings.HasPrefix(at.Name, "stable-wrong") && url == stable:
			return errors.New("add: got 16")
		}
		f.proven[at.Name] = true
		return nil
	})
	if at == nil {
		return "", err
	}
	return at.Name, err
}

func (f *fake) rollout() *Rollout {
	return &Rollout{Cloud: f, Prove: f.prove, Limits: limits, Say: f.t.Logf}
}

// deploy releases a build.
func (f *fake) deploy(ctx context.Context, build string) error {
	f.next = build
	return f.rollout().Deploy(ctx)
}

// state lists the revisions, with their share of the traffic where they have some.
func (f *fake) state() string {
	var all []string
	for _, r := range f.revisions {
		switch {
		case r.Weight > 0:
			all = append(all, fmt.Sprintf("%s:%d", r.Name, r.Weight))
		case r.Active:
			all = append(all, r.Name)
		default:
			all = append(all, "("+r.Name+")")
		}
	}
	return strings.Join(all, " ")
}
