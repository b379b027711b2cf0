//go:build !race

package rawconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// conn has all of a TCP connection, deadlines included, but what moves bytes.
type conn struct {
	*net.TCPConn
	read, write transfer
}

func newConn(tcp *net.TCPConn) net.Conn {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return tcp // it is closed, and will say so
	}
	c := &conn{TCPConn: tcp}
	c.read.prepare(syscall.SYS_READ, raw.Read)
	c.write.prepare(syscall.SYS_WRITE, raw.Write)
	return c
}

// Read is part of [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.read.mu.Lock()
	defer c.read.mu.Unlock()
	n, err := c.read.once(p)
	if err != nil {
		return 0, c.failed("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write is part of [net.Conn].
func (c *conn) Write(p []byte) (written int, err error) {
	c.write.mu.Lock() // until all is written: what one caller writes stays together
	defer c.write.mu.Unlock()
	for written < len(p) {
		n, err := c.write.once(p[written:])
		if err != nil {
			return written, c.failed("write", err)
		}
		written += n
	}
	return written, nil
}

// failed words an error as the connection's own methods do.
func (c *conn) failed(operation string, err error) error {
	var e *net.OpError // of the poller, which names the operation raw-read
	if errors.As(err, &e) {
		e.Op = operation
		return e
	}
	return &net.OpError{
		Op: operation, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError(operation, err),
	}
}

// transfer is one direction of a connection.
type transfer struct {
	number uintptr
	wait   func(func(fd uintptr) bool) error // calls until it is done; between, waits for the socket
	try    func(fd uintptr) bool             // t.attempt, made once

	mu    sync.Mutex // held by who moves bytes, for what is below
	p     []byte
	n     int
	errno syscall.Errno
}

func (t *transfer) prepare(number uintptr, wait func(func(fd uintptr) bool) error) {
	t.number, t.wait, t.try = number, wait, t.attempt
}

// once moves as many bytes as the socket takes or gives at once, which it waits
// for. It is called with mu held.
func (t *transfer) once(p []byte) (int, error) {
	t.p = p
	err := t.wait(t.try)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, t.errno
	}
	return t.n, nil
}

// attempt reports whether the system call came to an end.
func (t *transfer) attempt(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(t.number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		t.n, t.errno = int(n), errno
		return true
	}
}
