//go:build !linux || race

package rawconn

import "net"

func newConn(tcp *net.TCPConn) net.Conn { return tcp }
