package replica

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
)

var errSick = errors.New("sick")

// Each letter of a history is an answer: y or n. The verdicts follow when the
// thresholds are met.
func TestWatchThresholds(t *testing.T) {
	tests := map[string]struct{ history, verdicts string }{
		"each success counts":              {"yyy", "yyy"},
		"one failure is forgiven":          {"ynyny", "y" + "y" + "y"},
		"two in a row count":               {"ynny", "y" + "n" + "y"},
		"it goes on after the verdict":     {"nnn", "nn"},
		"failures before the first answer": {"ny", "y"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				probe := declaration.Probe{InitialDelaySeconds: 7, PeriodSeconds: 3, TimeoutSeconds: 1, FailureThreshold: 2, SuccessThreshold: 1}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began, asked, got := time.Now(), 0, ""
				watch(ctx, probe, func(context.Context, declaration.Probe) error {
					if want := time.Duration(7+3*asked) * time.Second; time.Since(began) != want {
						t.Errorf("question %d came after %s, want %s", asked, time.Since(began), want)
					}
					if asked == len(test.history) {
						cancel()
						return nil
					}
					asked++
					if test.history[asked-1] == 'n' {
						return errSick
					}
					return nil
				}, func(err error) bool {
					if err != nil {
						got += "n"
					} else {
						got += "y"
					}
					return true
				})
				if got != test.verdicts {
					t.Errorf("%s gave the verdicts %s, want %s", test.history, got, test.verdicts)
				}
			})
		})
	}
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := declaration.Probe{PeriodSeconds: 3, FailureThreshold: 3, SuccessThreshold: 1}
		never := func(context.Context, declaration.Probe) error { return errSick }
		began := time.Now()
		if err := until(t.Context(), probe, never); !errors.Is(err, errSick) {
			t.Error(err)
		}
		if took := time.Since(began); took != firstAsk+2*3*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}
