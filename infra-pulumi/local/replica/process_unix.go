//go:build unix

package replica

import (
	"os"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr { return nil }

// terminate asks a process to end.
func terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }

// systemVariables are those without which no process runs.
func systemVariables() []string { return nil }
