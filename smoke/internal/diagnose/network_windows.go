package diagnose

import "syscall"

// Windows sockets have error numbers of their own; package syscall's
// ECONNREFUSED is an invented one there that no call returns.
const (
	connectionRefused = syscall.Errno(10061)
	connectionReset   = syscall.WSAECONNRESET
)
