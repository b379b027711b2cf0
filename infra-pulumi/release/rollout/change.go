package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// change is the traffic's way from one revision to another.
type change struct {
	from  Record // what holds before, and again if the change fails
	to    string
	build string // of to; empty: whatever it says at its own address
	url   string // where the clients are
	soak  time.Duration
}

// change moves the traffic, or returns an error that tells where it is. After it the old revision has nothing to do.
func (r *Rollout) change(ctx context.Context, c change) error {
	build, err := r.qualify(ctx, c)
	if err != nil {
		return errors.Join(fmt.Errorf("%w\nthe traffic stays with revision %s", err, c.from.Live), r.end(c.to))
	}
	c.build = build
	if err = r.move(ctx, Record{Live: c.to, Previous: c.from.Live}); err == nil {
		err = r.confirm(ctx, c)
	}
	if err == nil || errors.Is(err, errLeft) {
		return err
	}
	if lost := r.undo(ctx, c, err); lost != nil {
		return lost
	}
	return fmt.Errorf("%w\nthe traffic is back with revision %s", err, c.from.Live)
}

// confirm proves and watches the revision that the traffic moved to.
func (r *Rollout) confirm(ctx context.Context, c change) error {
	if err := r.proveStable(ctx, c.url, c.build); err != nil {
		return err
	}
	return r.drain(ctx, c)
}

// undo gives the traffic back, whatever else was asked for meanwhile, and ends the revision that failed. Its error is
// that the traffic may not be back.
func (r *Rollout) undo(ctx context.Context, c change, failure error) error {
	r.Say("%-10s %v", "FAILED", failure)
	if err := r.move(context.WithoutCancel(ctx), c.from); err != nil {
		return fmt.Errorf("%w\n%w\nTHE TRAFFIC MAY NOT BE BACK with revision %s, which still runs: deploy again, which looks and mends it", failure, err, c.from.Live)
	}
	r.Say("%-10s revision %s finishes what it runs, for %s", "drain", c.to, r.Limits.Drain)
	if !sleep(ctx, r.Limits.Drain) {
		r.Say("%-10s not waited for; the next deploy ends revision %s", "drain", c.to)
		return nil
	}
	if err := r.end(c.to); err != nil {
		r.Say("%-10s %v", "end", err)
	}
	return nil
}

// qualify has a revision that may get traffic: it runs, is ready and stays so, and is proven at its own address.
func (r *Rollout) qualify(ctx context.Context, c change) (build string, err error) {
	revision, err := r.awaitReady(ctx, c.to, c.soak)
	if err != nil {
		return "", err
	}
	return r.proveOwn(ctx, revision, c.build)
}

// awaitReady starts a revision if it must, and waits until it is ready and has been for as long as it must soak.
func (r *Rollout) awaitReady(ctx context.Context, name string, soak time.Duration) (ready Revision, err error) {
	what := "waiting until revision " + name + " is ready"
	if soak > 0 {
		what += fmt.Sprintf(", and stays so for %s", soak)
	}
	err = r.step("ready", what, func() (string, error) {
		ready, err = r.watchReady(ctx, name, soak)
		return "revision " + name + " is ready", err
	})
	return ready, err
}

func (r *Rollout) watchReady(ctx context.Context, name string, soak time.Duration) (Revision, error) {
	began := time.Now()
	var since, problem time.Time // when it became ready, when it had a problem first; zero: it is not, it has none
	restarts := 0
	for {
		revision, err := r.revision(ctx, name)
		if err != nil {
			return revision, err
		}
		if !revision.Active {
			if err := r.Cloud.Activate(ctx, name); err != nil {
				return revision, err
			}
		}
		now := time.Now()
		if !revision.Ready || revision.Restarts > restarts {
			since = time.Time{}
		}
		if revision.Ready && since.IsZero() {
			since, restarts = now, revision.Restarts
		}
		if revision.Problem == "" {
			problem = time.Time{}
		} else if problem.IsZero() {
			problem = now
		}
		switch {
		case !since.IsZero() && now.Sub(since) >= soak:
			return revision, nil
		case !problem.IsZero() && now.Sub(problem) >= r.Limits.Patience:
			return revision, fmt.Errorf("revision %s does not become ready: %s", name, revision.Problem)
		case now.Sub(began) >= r.Limits.Ready+soak:
			return revision, fmt.Errorf("revision %s is not ready, or does not stay so, after %s: %s", name, r.Limits.Ready+soak, revision.problem())
		}
		if !sleep(ctx, r.Limits.Poll) {
			return revision, context.Cause(ctx)
		}
	}
}

func (r Revision) problem() string {
	if r.Problem == "" {
		return "no cause is known; its log says more"
	}
	return r.Problem
}

func (r *Rollout) revision(ctx context.Context, name string) (Revision, error) {
	status, err := r.Cloud.Status(ctx)
	if err != nil {
		return Revision{}, err
	}
	revision, ok := status.find(name)
	if !ok {
		return Revision{}, fmt.Errorf("revision %s is gone", name)
	}
	return revision, nil
}

func (r *Rollout) proveOwn(ctx context.Context, revision Revision, build string) (answered string, err error) {
	err = r.step("smoke test", "revision "+revision.Name+" at its own address "+revision.URL, func() (string, error) {
		answered, err = r.Prove(ctx, revision.URL, build)
		return "all held, build " + answered, err
	})
	return answered, err
}

// proveStable proves what clients get. Where the traffic goes takes a moment to be known everywhere, so that another
// build is no failure at first.
func (r *Rollout) proveStable(ctx context.Context, url, build string) error {
	return r.step("smoke test", "where the clients are, "+url, func() (string, error) {
		for began := time.Now(); ; {
			answered, err := r.Prove(ctx, url, build)
			if !errors.Is(err, ErrOtherBuild) || time.Since(began) >= r.Limits.Settle || !sleep(ctx, r.Limits.Poll) {
				return "all held, build " + answered, err
			}
		}
	})
}

func (r *Rollout) move(ctx context.Context, record Record) error {
	return r.step("move", "giving all the traffic to revision "+record.Live, func() (string, error) {
		return "done", r.Cloud.Move(ctx, record)
	})
}

// errLeft tells that the release holds, and that the old revision is left for another time.
var errLeft = errors.New("the old revision still runs")

// drain lets the old revision finish what it runs, and watches the new one meanwhile: as long as the old one is there,
// going back costs nothing.
func (r *Rollout) drain(ctx context.Context, c change) error {
	what := fmt.Sprintf("the old revision finishes what it runs, for %s; revision %s is watched", r.Limits.Drain, c.to)
	return r.step("drain", what, func() (string, error) {
		const tolerated = 2 // looks in a row that find it not ready
		missed := 0
		for began := time.Now(); time.Since(began) < r.Limits.Drain; {
			if !sleep(ctx, r.Limits.Poll) {
				return "", fmt.Errorf("%w: %w; revision %s has the traffic; deploy again to end the old one", errLeft, context.Cause(ctx), c.to)
			}
			revision, err := r.revision(ctx, c.to)
			switch {
			case err != nil: // that nobody could look need not be the revision's fault
			case revision.Ready:
				missed = 0
			default:
				if missed++; missed > tolerated {
					return "", fmt.Errorf("revision %s is not ready any more: %s", c.to, revision.problem())
				}
			}
		}
		_, err := r.Prove(ctx, c.url, c.build)
		return "revision " + c.to + " held", err
	})
}

// retire ends every revision but the live one. They have no traffic, and those that had it have drained.
func (r *Rollout) retire(ctx context.Context) error {
	status, live, err := r.look(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, revision := range status.Revisions {
		if revision.Active && revision.Weight == 0 && revision.Name != live.Name {
			failed = append(failed, r.end(revision.Name))
		}
	}
	return errors.Join(failed...)
}

// end ends a revision that has no traffic.
func (r *Rollout) end(revision string) error {
	err := r.step("end", "deactivating revision "+revision, func() (string, error) {
		return "done", r.Cloud.Deactivate(context.Background(), revision)
	})
	if err != nil {
		return fmt.Errorf("%w; the next deploy ends it", err)
	}
	return nil
}

// sleep waits, and tells whether it could to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
