package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// lockPatience is how long another run may take to end.
const lockPatience = 10 * time.Minute

// exclusively does something that nobody else may do to the stack at the same time. It waits for another run to end,
// and for what Azure is still at after a run was killed. A lock that a killed run of this machine left behind is
// removed, as `pulumi cancel` does.
func exclusively(ctx context.Context, s auto.Stack, out io.Writer, do func() error) error {
	for began := time.Now(); ; {
		err := do()
		switch {
		case err == nil || !auto.IsConcurrentUpdateError(err) && !strings.Contains(err.Error(), azureAtIt):
			return err
		case abandoned(err.Error()):
			_, _ = fmt.Fprintln(out, "           a run that was killed left the stack locked; unlocking it")
			if err := s.Cancel(ctx); err != nil {
				return fmt.Errorf("unlock the stack: %w", err)
			}
			continue
		case time.Since(began) > lockPatience:
			return fmt.Errorf("%w\nif nobody is at work on the stack: pulumi cancel --stack %s", err, s.Name())
		}
		_, _ = fmt.Fprintln(out, "           another run is at work on this stack, or Azure is; waiting for the end")
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Second):
		}
	}
}

// azureAtIt is in the code of Azure's error for an app that it is still changing.
const azureAtIt = "OperationInProgress"

// holder is how Pulumi names the process that holds a lock. Its own service, which takes leases, names none: they
// run out.
var holder = regexp.MustCompile(`created by .*?@(\S+) \(pid (\d+)\)`)

// abandoned tells whether all that hold the lock were processes of this machine, which are gone.
func abandoned(message string) bool {
	this, err := os.Hostname()
	holders := holder.FindAllStringSubmatch(message, -1)
	if err != nil || len(holders) == 0 {
		return false
	}
	for _, h := range holders {
		pid, err := strconv.Atoi(h[2])
		if err != nil || h[1] != this || alive(pid) {
			return false
		}
	}
	return true
}

func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }() // nothing hangs on it
	if runtime.GOOS == "windows" {
		return true // else it would not have been found
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}
