package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

var errBusy = errors.New(`Code="ContainerAppOperationInProgress" Message="try later"`)

func TestExclusivelyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := exclusively(t.Context(), auto.Stack{}, io.Discard, func() error {
			if tries++; tries < 3 {
				return errBusy
			}
			return nil
		})
		if err != nil || tries != 3 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := exclusively(t.Context(), auto.Stack{}, io.Discard, func() error { return errBusy })
		if !errors.Is(err, errBusy) || !strings.Contains(err.Error(), "pulumi cancel") || time.Since(began) < lockPatience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := exclusively(ctx, auto.Stack{}, io.Discard, func() error { return errBusy }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAbandoned(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const gone = 1 << 30 // beyond what any system gives
	by := func(host string, pid int) string {
		return fmt.Sprintf("\n  file:///s/.pulumi/locks/x.json: created by someone@%s (pid %d) at 2026-01-01T00:00:00Z", host, pid)
	}
	for name, test := range map[string]struct {
		message string
		want    bool
	}{
		"nobody named":      {"[409] Conflict: Another update is currently in progress.", false},
		"gone":              {by(host, gone), true},
		"of Windows":        {strings.Replace(by(host, gone), "someone", `DOMAIN\some one`, 1), true},
		"still there":       {by(host, os.Getpid()), false},
		"another machine's": {by("elsewhere", gone), false},
		"one of two":        {by(host, gone) + by(host, os.Getpid()), false},
	} {
		if got := abandoned(test.message); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
