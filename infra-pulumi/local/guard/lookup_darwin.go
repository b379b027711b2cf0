package guard

import "golang.org/x/sys/unix"

// lookUp finds a process's parent and the name of its executable.
func lookUp(pid int) (parent int, name string, err error) {
	process, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, "", err
	}
	return int(process.Eproc.Ppid), unix.ByteSliceToString(process.Proc.P_comm[:]), nil
}
