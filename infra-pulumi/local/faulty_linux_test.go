package main

import "syscall"

// diesWithParent leaves nothing behind where a proxy is killed.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
