package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Rollout releases versions to a Cloud.
type Rollout struct {
	Cloud  Cloud
	Prove  Prove
	Limits Limits
	// Say tells people what happens.
	Say func(format string, args ...any)
}

// Limits are the times that a release takes at most, or at least.
type Limits struct {
	Ready    time.Duration // how long a revision may take to become ready
	Patience time.Duration // how long it may have a known problem meanwhile
	Soak     time.Duration // how long it must stay ready before it gets traffic
	Settle   time.Duration // how long the old one may still answer after the traffic moved
	Drain    time.Duration // how long the old one may finish what it runs
	Poll     time.Duration // between two looks
}

// Deploy releases the version that the Cloud stages. The error tells what failed, and where the traffic is.
func (r *Rollout) Deploy(ctx context.Context) error {
	status, live, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if live.Name == "" {
		return r.first(ctx)
	}
	record := Record{Live: live.Name, Previous: status.Previous}
	staged, err := r.stage(ctx, record)
	if err != nil {
		return fmt.Errorf("%w\nthe traffic stays with revision %s", err, live.Name)
	}
	if staged.Revision == live.Name {
		r.Say("%-10s nothing to release: revision %s has the traffic already", "stage", live.Name)
		err = r.proveStable(ctx, status.URL, staged.Build)
	} else {
		err = r.change(ctx, change{from: record, to: staged.Revision, build: staged.Build, url: status.URL, soak: r.Limits.Soak})
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, staged.Build)
}

// Rollback returns to the revision that had the traffic before. It was proven when it got it, so it need not soak
// again.
func (r *Rollout) Rollback(ctx context.Context) error {
	status, live, err := r.look(ctx)
	if err != nil {
		return err
	}
	target, ok := status.before(live)
	if live.Name == "" || !ok {
		return errors.New("there is no revision to return to: nothing was released before")
	}
	r.Say("%-10s from revision %s to %s", "rollback", live.Name, target.Name)
	from := Record{Live: live.Name, Previous: status.Previous}
	if err := r.change(ctx, change{from: from, to: target.Name, url: status.URL}); err != nil {
		return err
	}
	return r.finish(ctx, "")
}

// resume looks for a release that was interrupted after it had moved the traffic: what had it before still runs. Such
// a release is finished if the new revision holds, else reverted. One that was interrupted earlier needs nothing.
func (r *Rollout) resume(ctx context.Context) (Status, Revision, error) {
	status, live, err := r.look(ctx)
	if err != nil || live.Name == "" {
		return status, live, err
	}
	before, ok := status.before(live)
	if !ok || !before.Active {
		return status, live, nil
	}
	r.Say("%-10s a release was interrupted: revision %s has the traffic, and %s still runs", "resume", live.Name, before.Name)
	c := change{from: Record{Live: before.Name}, to: live.Name, url: status.URL}
	if c.build, err = r.proveOwn(ctx, live, ""); err == nil {
		err = r.confirm(ctx, c)
	}
	if err == nil {
		err = r.end(before.Name)
		status.Previous = before.Name
		return status, live, err
	}
	if errors.Is(err, errLeft) {
		return status, live, err
	}
	if _, worse := r.proveOwn(ctx, before, ""); worse != nil {
		r.Say("%-10s revision %s does not hold either; the traffic stays with %s until there is one that does", "resume", before.Name, live.Name)
		return status, live, ctx.Err()
	}
	if err := r.undo(ctx, c, err); err != nil {
		return status, live, err
	}
	return r.look(ctx)
}

func (r *Rollout) look(ctx context.Context) (Status, Revision, error) {
	status, err := r.Cloud.Status(ctx)
	if err != nil {
		return status, Revision{}, err
	}
	live, err := status.live()
	return status, live, err
}

// first releases to where nothing has traffic: there is nothing to hurt, and nothing to go back to.
func (r *Rollout) first(ctx context.Context) error {
	staged, err := r.stage(ctx, Record{})
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return fmt.Errorf("%w\nnothing was released before, so there is nothing to go back to; mend it and deploy again", err)
	}
	if _, err := r.awaitReady(ctx, staged.Revision, 0); err != nil {
		return fail(err)
	}
	status, err := r.Cloud.Status(ctx)
	if err != nil {
		return err
	}
	if err := r.proveStable(ctx, status.URL, staged.Build); err != nil {
		return fail(err)
	}
	if err := r.move(ctx, Record{Live: staged.Revision}); err != nil {
		return err
	}
	return r.finish(ctx, staged.Build)
}

func (r *Rollout) stage(ctx context.Context, record Record) (staged Staged, err error) {
	what := "starting the new revision without traffic, beside " + record.Live
	if record.Live == "" {
		what = "nothing has traffic yet: deploying"
	}
	err = r.step("stage", what, func() (string, error) {
		staged, err = r.Cloud.Stage(ctx, record)
		return fmt.Sprintf("revision %s, build %s", staged.Revision, staged.Build), err
	})
	return staged, err
}

// finish ends what need not run any more, and tells what is live.
func (r *Rollout) finish(ctx context.Context, build string) error {
	retired := r.retire(ctx)
	_, live, err := r.look(ctx)
	if err != nil {
		return errors.Join(retired, err)
	}
	if build != "" {
		build = ", build " + build
	}
	r.Say("%-10s revision %s%s has all the traffic", "live", live.Name, build)
	return retired
}

// step tells what is done, then how it ended and how long it took. An error it returns names the step.
func (r *Rollout) step(name, what string, do func() (result string, err error)) error {
	r.Say("%-10s %s …", name, what)
	began := time.Now()
	result, err := do()
	took := time.Since(began).Round(100 * time.Millisecond)
	if err != nil {
		r.Say("%-10s FAILED after %s", name, took)
		return fmt.Errorf("%s: %w", name, err)
	}
	r.Say("%-10s %s (%s)", name, result, took)
	return nil
}
