package ingress

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// Listen takes a port of the loopback interface. If it cannot, the error says
// who has the port, or how to find out, and how to choose another.
func Listen(port int, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		return listener, nil
	}
	reason := err
	var call *os.SyscallError
	if errors.As(err, &call) {
		reason = call.Err
	}
	return nil, fmt.Errorf("cannot listen on port %d: %w.\n  %s\n  Or choose another port: %s %d",
		port, reason, owner(port), flag, port+1000)
}
