package replica

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// processAttributes give the process a group of its own, so that terminate
// reaches it alone.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// terminate asks a process to end: Go programs take CTRL_BREAK as an interrupt.
func terminate(process *os.Process) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(process.Pid))
}

// systemVariables are those without which no process opens a socket.
func systemVariables() []string { return []string{"SYSTEMROOT=" + os.Getenv("SYSTEMROOT")} }
