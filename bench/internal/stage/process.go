package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// process is one that this stage started, and ends.
type process struct {
	cmd     *exec.Cmd
	address string
	log     string
	ended   chan struct{}
}

// start runs a command. What it prints goes to a file, which is what a
// container's output costs the process that prints.
func (s *Stage) start(cmd *exec.Cmd, name, address string) (*process, error) {
	log, err := os.CreateTemp(s.dir, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{cmd: cmd, address: address, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // killed: the error says no more
		_ = log.Close()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	_ = os.Remove(p.log) // a log of a million calls; the folder goes at the end in any case
}

// readiness is one look at whether a process serves.
type readiness func(ctx context.Context, address string) bool

func listens(ctx context.Context, address string) bool {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

func answersReadyz(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false
	}
	return errors.Join(response.Body.Close()) == nil && response.StatusCode == http.StatusOK
}

// await waits until the process serves.
func (p *process) await(ctx context.Context, ready readiness) error {
	const most, apart = 30 * time.Second, 2 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for !ready(ctx, p.address) {
		select {
		case <-p.ended:
			text, err := os.ReadFile(p.log)
			return fmt.Errorf("the process ended: %w\n%s", errors.Join(errors.New("before it served"), err), text)
		case <-ctx.Done():
			return fmt.Errorf("it does not serve at %s: %w", p.address, ctx.Err())
		case <-time.After(apart):
		}
	}
	return nil
}

// freeAddress is one whose port was free a moment ago.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// essentials are what a process needs that has nothing to do with the server,
// so that the developer's own configuration does not reach it.
func essentials() []string {
	var environment []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SYSTEMROOT", "TEMP"} {
		if value, ok := os.LookupEnv(name); ok {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}
