// Package rawconn has TCP connections that read and write with raw system
// calls, because a server that is woken for each request pays for others.
//
// Go tells its scheduler of each system call, for it may block. Where the
// process had nothing to do until then, that wakes the scheduler's monitor, a
// thread that looks every 20 µs whether a call blocks, until the process is
// idle again: at a few thousand requests a second that is a fifth to a quarter
// of what a request costs. Go's sockets never block, so there is nothing to tell; the
// runtime's own poller makes its calls the same way.
//
// What is left out with it: a process that was idle and is woken by a
// connection has no monitor until it makes any other system call or until its
// next timer, so a goroutine that computes all the while is not interrupted for
// the others as early as 10 ms. Whoever uses this package has a timer that
// keeps that short; here it is the replica's sign of life, four times a second.
//
// Where the race detector is on, and where the system is not Linux, the
// connections are Go's own: the detector knows nothing of raw calls, and
// elsewhere they are not a stable interface.
package rawconn

import "net"

// Listen makes each connection that the listener accepts a raw one.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept is part of [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c), nil
}

// New makes a raw connection of a TCP connection, which must not be used beside
// it. It returns any other as it is.
func New(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return newConn(tcp)
	}
	return c
}
