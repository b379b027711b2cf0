package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRelease(t *testing.T) {
	for _, test := range []struct {
		build string
		state string // afterwards
		err   string // empty: none
	}{
		{"good-2", "(good-1) good-2:100", ""},
		{"never-ready", "good-1:100 (never-ready)", "is not ready"},
		{"problem", "good-1:100 (problem)", "the image cannot be pulled"},
		{"crash-after-20s", "good-1:100 (crash-after-20s)", "does not stay so"},
		{"wrong", "good-1:100 (wrong)", "add: got 16"},
		{"stable-wrong", "good-1:100 (stable-wrong)", "add: got 16"},
		{"crash-in-drain", "good-1:100 (crash-in-drain)", "is not ready any more"},
	} {
		t.Run(test.build, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := running(t)
				err := f.deploy(t.Context(), test.build)
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				if err != nil && !strings.Contains(err.Error(), "with revision good-1") {
					t.Errorf("the error does not tell where the traffic is: %v", err)
				}
				if f.state() != test.state {
					t.Errorf("there is %s, want %s", f.state(), test.state)
				}
			})
		})
	}
}

// Every call to the cloud fails once, before or after it had its effect: the traffic is where the error says, and the
// next release works.
func TestEachCallFails(t *testing.T) {
	for _, call := range []string{"stage", "prove " + own("good-2"), "move good-2", "prove " + stable, "deactivate good-1"} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s late %v", call, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := running(t)
					if late {
						f.fail = call
					} else {
						f.refuse = call
					}
					err := f.deploy(t.Context(), "good-2")
					if err == nil {
						t.Error("the failure went unnoticed")
					}
					if call != "deactivate good-1" && (!strings.HasPrefix(f.state(), "good-1:100") || !strings.Contains(err.Error(), "with revision good-1")) {
						t.Errorf("after %v there is %s", err, f.state())
					}
					if err := f.deploy(t.Context(), "good-2"); err != nil || f.state() != "(good-1) good-2:100" {
						t.Errorf("the next release: %v, %s", err, f.state())
					}
				})
			})
		}
	}
}

// A release that is killed in any call, before or after the effect, is finished or reverted by the next, of the same
// version or of another.
func TestKilledAnywhere(t *testing.T) {
	for _, killed := range []string{"good-2", "stable-wrong", "crash-in-drain"} {
		for _, next := range []string{"the same", "good-3", "wrong-3"} {
			for killAt := 1; ; killAt++ {
				done := false
				for _, late := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s killed in call %d late %v then %s", killed, killAt, late, next), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							f := running(t)
							f.killAt, f.late = killAt, late
							err := f.deploy(t.Context(), killed)
							done = len(f.calls) < killAt
							f.killAt, f.calls = 0, nil
							if done {
								return
							}
							if err == nil {
								t.Fatal("a killed release succeeded")
							}
							f.next = next
							if next == "the same" {
								f.next = killed
							}
							err = f.deploy(t.Context(), f.next)
							live, _ := mustStatus(t, f).live()
							if strings.HasPrefix(f.next, "good") != (err == nil) || err == nil && live.Name != f.next {
								t.Errorf("the next release of %s: %v, and %s is live", f.next, err, live.Name)
							}
							if !strings.HasPrefix(live.Name, "good") {
								t.Errorf("%s is live", live.Name)
							}
							if active := strings.Fields(f.state()); len(active) != strings.Count(f.state(), "(")+1 && err == nil {
								t.Errorf("more than one revision still runs: %s", f.state())
							}
						})
					})
				}
				if done {
					break
				}
			}
		}
	}
}

func mustStatus(t *testing.T, f *fake) Status {
	t.Helper()
	s, err := f.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{t: t, proven: map[string]bool{}}
		if err := f.deploy(t.Context(), "wrong"); err == nil || !strings.Contains(err.Error(), "nothing to go back to") {
			t.Errorf("a first release that fails: %v", err)
		}
		if err := f.deploy(t.Context(), "good-1"); err != nil || f.state() != "(wrong) good-1:100" {
			t.Errorf("the next: %v, %s", err, f.state())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fake{t: t, proven: map[string]bool{}}
		if err := f.deploy(t.Context(), "good-1"); err != nil || f.record != (Record{Live: "good-1"}) {
			t.Errorf("%v, %+v", err, f.record)
		}
		if err := f.rollout().Rollback(t.Context()); err == nil || !strings.Contains(err.Error(), "no revision to return to") {
			t.Errorf("a rollback to nothing: %v", err)
		}
	})
}

func TestNothingToRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := running(t)
		if err := f.deploy(t.Context(), "good-1"); err != nil {
			t.Error(err)
		}
		if got := strings.Join(f.calls, ", "); got != "stage, prove "+stable {
			t.Errorf("it called %s", got)
		}
	})
}

func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := running(t)
		for _, build := range []string{"good-2", "wrong-3"} {
			_ = f.deploy(t.Context(), build) // that the second fails is tested elsewhere
		}
		f.calls = nil
		if err := f.rollout().Rollback(t.Context()); err != nil || f.state() != "good-1:100 (good-2) (wrong-3)" {
			t.Fatalf("%v, %s", err, f.state())
		}
		if f.calls[0] != "activate good-1" {
			t.Errorf("it called %v", f.calls)
		}
		if err := f.rollout().Rollback(t.Context()); err != nil || f.state() != "(good-1) good-2:100 (wrong-3)" {
			t.Errorf("and forth: %v, %s", err, f.state())
		}
	})
}

// What was rolled back and is deployed again is the same revision: it must be started first.
func TestStagedButInactive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := running(t)
		if err := errors.Join(f.deploy(t.Context(), "good-2"), f.rollout().Rollback(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := f.deploy(t.Context(), "good-2"); err != nil || f.state() != "(good-1) good-2:100" {
			t.Errorf("%v, %s", err, f.state())
		}
	})
}

// Ctrl-C at any time: before the move nothing changed, after it and before it is proven it is undone, and while the
// old revision drains the release holds.
func TestInterrupted(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		state string
	}{
		{2 * time.Second, "good-1:100 (good-2)"},
		{30 * time.Second, "good-1:100 (good-2)"},
		{2 * time.Minute, "good-1 good-2:100"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := running(t)
			ctx, cancel := context.WithTimeout(t.Context(), test.after)
			defer cancel()
			if err := f.deploy(ctx, "good-2"); err == nil || !strings.Contains(err.Error(), "revision good-") {
				t.Errorf("after %s: %v", test.after, err)
			}
			if f.state() != test.state {
				t.Errorf("after %s there is %s, want %s", test.after, f.state(), test.state)
			}
			if err := f.deploy(t.Context(), "good-2"); err != nil || f.state() != "(good-1) good-2:100" {
				t.Errorf("the next: %v, %s", err, f.state())
			}
		})
	}
}

// Where somebody else split the traffic, nothing is touched.
func TestSplitTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := running(t)
		f.revisions[0].Weight = 60
		f.revisions = append(f.revisions, &Revision{Name: "canary", Active: true, Ready: true, Weight: 40})
		if err := f.deploy(t.Context(), "good-2"); err == nil || !strings.Contains(err.Error(), "good-1 60 %, canary 40 %") || len(f.calls) > 0 {
			t.Errorf("got %v after %v", err, f.calls)
		}
	})
}

// The traffic takes a while to arrive everywhere.
func TestOldBuildStillAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := running(t)
		r := f.rollout()
		moved := time.Time{}
		r.Prove = func(ctx context.Context, url, build string) (string, error) {
			if url != stable {
				return f.prove(ctx, url, build)
			}
			if moved.IsZero() {
				moved = time.Now()
			}
			if time.Since(moved) < 10*time.Second {
				return "good-1", ErrOtherBuild
			}
			return f.prove(ctx, url, build)
		}
		f.next = "good-2"
		if err := r.Deploy(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
