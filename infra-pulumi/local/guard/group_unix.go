//go:build unix

package guard

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// ownGroup starts the worker as the leader of a new process group: a
// terminal's Ctrl-C then reaches the front alone, and the worker's processes
// are ended in their order, not all at once.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// enterGroup makes sure that killOwnGroup cannot hit anyone else.
func enterGroup() error {
	if syscall.Getpgrp() != os.Getpid() {
		return errors.New("not the leader of a process group")
	}
	// A background group may be stopped for writing to its terminal (stty tostop).
	signal.Ignore(syscall.SIGTTOU)
	return nil
}

// killOwnGroup ends the worker and all it started.
func killOwnGroup() {
	_ = syscall.Kill(0, syscall.SIGKILL)
}

// killGroup ends what the worker left behind, if anything.
func killGroup(worker int) {
	_ = syscall.Kill(-worker, syscall.SIGKILL)
}

// keepInBackground lets a read from the terminal fail in a command that runs in
// the background, instead of stopping it.
func keepInBackground() { signal.Ignore(syscall.SIGTTIN) }
