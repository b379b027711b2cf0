// Package redistest starts Redis servers for tests: the real redis-server,
// where it is installed, and the embedded one behind a port.
//
// On a machine without redis-server, tests that need it are skipped and say
// so. In CI (the variable CI is set) they fail instead.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// A Server is a redis-server process that ends with the test.
type Server struct {
	Addr string // 127.0.0.1:port
	URL  string // redis:// or rediss://, without a password

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start runs redis-server on a free loopback port, keeping an append-only file
// so that a restart loses nothing. Further arguments are given to redis-server
// as they are, as in Start(t, "--requirepass", "secret").
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := prepare(t, args)
	s.run()
	return s
}

// StartAway is Start, but the server is not running until Restart.
func StartAway(t testing.TB, args ...string) *Server {
	t.Helper()
	return prepare(t, args)
}

func prepare(t testing.TB, args []string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		const reason = "redis-server is not installed: this test did not run against a real Redis"
		if os.Getenv("CI") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	s := &Server{t: t, Addr: addr, URL: "redis://" + addr, dir: t.TempDir()}
	s.args = append([]string{path,
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always",
	}, args...)
	t.Cleanup(s.Kill)
	return s
}

// freeAddr returns a loopback address whose port was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *Server) run() {
	s.t.Helper()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // killed: the error says no more
		_ = log.Close()
		close(done)
	}(s.cmd, s.done)
	for deadline := time.Now().Add(10 * time.Second); !s.answers(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			s.t.Fatalf("redis-server does not answer:\n%s", text)
		}
	}
}

// answers reports whether the server replies, if only to ask for TLS or a password.
func (s *Server) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if strings.HasPrefix(s.URL, "rediss:") {
		return true
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return false
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && (strings.HasPrefix(reply, "+PONG") || strings.HasPrefix(reply, "-NOAUTH"))
}

// Kill ends the process at once; what it acknowledged is on disk.
func (s *Server) Kill() {
	if s.done == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.done
	s.done = nil
}

// Restart starts the process again, on the same port and data.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.run()
}

// Embedded serves the embedded Redis on a loopback port, for tests of several
// processes or of the dialling; its keys expire with the clock.
func Embedded(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.RunT(t)
	m.ClockTTL(true)
	return m
}
