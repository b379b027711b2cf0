package replica

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	listenVariable = "LISTEN_ADDR"

	// A process that ends is started again after a pause that doubles each
	// time, until one has lived for a while.
	firstPause, longestPause = time.Second, 30 * time.Second
	longLife                 = time.Minute

	// outputDelay bounds the wait for the output of a process that has ended:
	// one that it started may still hold the pipe.
	outputDelay = time.Second
)

// Replica is one process, started again when it ends or its probes say so.
type Replica struct {
	name   string
	port   int // within the container
	config Config
	log    *tail

	ready atomic.Bool

	mu      sync.Mutex
	host    string // where it listens, while it lives
	lives   int    // this one included
	trouble error  // why it was not ready when last asked
}

func newReplica(name string, port int, config Config) *Replica {
	return &Replica{
		name: name, port: port, config: config,
		log: newTail(name, config.Log, config.Hide),
	}
}

// Name is the revision's name and the replica's number.
func (r *Replica) Name() string { return r.name }

// Ready reports whether it takes requests.
func (r *Replica) Ready() bool { return r.ready.Load() }

// ListenAddress is where it listens on this machine, in place of the
// container's LISTEN_ADDR.
func (r *Replica) ListenAddress() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.host
}

func (r *Replica) restarts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.lives-1)
}

// address is where a port of the container is to be reached.
func (r *Replica) address(port int) (string, error) {
	if port != r.port {
		return "", fmt.Errorf("connection refused: nothing listens on port %d, the server's %s has %d", port, listenVariable, r.port)
	}
	return r.ListenAddress(), nil
}

// run keeps the process alive until the context ends.
func (r *Replica) run(ctx context.Context) {
	pause := firstPause
	for {
		born := time.Now()
		err := r.live(ctx)
		if ctx.Err() != nil {
			return
		}
		r.note(err)
		if time.Since(born) > longLife {
			pause = firstPause
		}
		r.config.Tell("replica %s %v; starting it again in %s", r.name, err, pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// live is one life of the process. It returns when the process has ended, with
// the reason unless the context did.
func (r *Replica) live(ctx context.Context) error {
	host, err := freeAddress()
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.host = host
	r.lives++
	r.mu.Unlock()
	r.config.Tell("replica %s: LISTEN_ADDR=%s instead of %s", r.name, host, r.config.Environment[listenVariable])

	command := exec.Command(r.config.Executable)
	command.Dir = filepath.Dir(r.config.Executable)
	command.Env = r.environment(host)
	command.Stdout, command.Stderr = r.log, r.log
	command.WaitDelay = outputDelay
	command.SysProcAttr = processAttributes()
	if err := command.Start(); err != nil {
		return fmt.Errorf("cannot be started: %w", err)
	}
	ended := make(chan struct{})
	var result error // once ended is closed
	go func() {
		result = command.Wait()
		close(ended)
	}()

	probing, stopProbing := context.WithCancel(ctx)
	var probes sync.WaitGroup
	verdict := make(chan error, 2)
	probes.Go(func() { r.probe(probing, &probes, verdict) })
	retire := func() {
		stopProbing()
		probes.Wait() // or the last answer would make it ready again
		r.ready.Store(false)
	}
	select {
	case <-ended:
		retire()
		return fmt.Errorf("ended by itself (%s)", describe(result))
	case err := <-verdict:
		retire()
		r.end(command.Process, ended)
		return fmt.Errorf("was stopped: %w", err)
	case <-ctx.Done():
		retire()
		r.end(command.Process, ended)
		return nil
	}
}

// end asks the process to end, and after its grace makes it.
func (r *Replica) end(process *os.Process, ended <-chan struct{}) {
	// A process that cannot be asked has ended or is made to.
	_ = terminate(process)
	select {
	case <-ended:
		return
	case <-time.After(r.config.Grace):
		r.config.Tell("replica %s still runs %s after it was asked to end: killed", r.name, r.config.Grace)
	}
	_ = process.Kill()
	<-ended
}

// environment is the container's, with its own LISTEN_ADDR, and what Container
// Apps adds for each replica.
func (r *Replica) environment(host string) []string {
	var list []string
	for name, value := range r.config.Environment {
		if name != listenVariable {
			list = append(list, name+"="+value)
		}
	}
	list = append(list, listenVariable+"="+host, "CONTAINER_APP_REPLICA_NAME="+r.name)
	slices.Sort(list)
	return append(list, systemVariables()...)
}

// note keeps the reason why the replica is not ready.
func (r *Replica) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = err
}

// problem is why it is not ready, with all that helps to find the cause.
func (r *Replica) problem() error {
	r.mu.Lock()
	trouble := r.trouble
	r.mu.Unlock()
	if trouble == nil {
		return nil
	}
	log := "it wrote no log"
	if lines := r.log.Lines(); len(lines) > 0 {
		log = "the last lines of its log:\n    " + strings.Join(lines, "\n    ")
	}
	return fmt.Errorf("replica %s %w\n  %s", r.name, trouble, log)
}

// listenPort is the port on which the server listens within its container.
func listenPort(environment map[string]string) (int, error) {
	_, port, err := net.SplitHostPort(environment[listenVariable])
	if err != nil {
		return 0, fmt.Errorf("the container's %s: %w", listenVariable, err)
	}
	return strconv.Atoi(port)
}

// freeAddress is a loopback address that was free a moment ago. Should another
// program take it first, the replica ends and its next life gets another.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("found no free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

func describe(exit error) string {
	if exit == nil {
		return "exit status 0"
	}
	return exit.Error()
}
