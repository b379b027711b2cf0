// Package guard leaves nothing running behind a command, however the command ends.
//
// The command runs as two processes. The front owns the terminal and does
// nothing but wait. The worker does the work, in a process group of its own
// (a job object on Windows) in which everything it starts lives too. A pipe
// joins them, so that each learns of the other's death even when that was a
// SIGKILL, and then ends the whole group: nothing survives unless both are
// killed in the same instant.
//
// The front asks the worker to stop, which lets it end its processes in order,
// on an interrupt, on SIGTERM, and when the command that started it is gone:
// "go tool", Task and "go run" do not pass signals on to their child. A second
// interrupt ends everything at once. The front also tells the worker of each
// line that is entered, where that is wanted.
package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// marker tells the worker from the front. The worker takes it out of its
// environment, so that what it starts does not inherit it.
const marker = "PRYNAI_LOCAL_WORKER"

// ErrStopped is the cause of a context that ended because a stop was asked for.
var ErrStopped = errors.New("stopped")

// The orders that the front writes to the worker, one a line.
const (
	stop    = "stop"
	entered = "entered"
)

// Work is what a command does. It is told of lines that were entered; of
// several that it has not heard yet, once.
type Work func(ctx context.Context, entered <-chan struct{}) int

// Run calls work in a guarded worker process and returns the exit code of the
// command. It starts the program again with the same arguments, so main must
// come here first. Standard input is read only if work listens.
func Run(work Work, listens bool) int {
	if os.Getenv(marker) != "" {
		return runWorker(work)
	}
	code, err := runFront(listens)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the worker process:", err)
		return 1
	}
	return code
}

// runFront starts the worker and waits for it.
func runFront(listens bool) (int, error) {
	executable, err := os.Executable()
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	worker := exec.Command(executable, os.Args[1:]...)
	worker.Env = append(os.Environ(), marker+"=1")
	worker.Stdout, worker.Stderr = os.Stdout, os.Stderr
	worker.SysProcAttr = ownGroup()
	orders, err := worker.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := worker.Start(); err != nil {
		return 0, err
	}
	defer killGroup(worker.Process.Pid)
	if listens {
		go pass(orders)
	}

	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	orphaned, stopWatching := watchAncestors()
	defer stopWatching()

	asked := false
	ask := func() {
		asked = true
		// A worker that no longer reads has ended, and Wait says so.
		_, _ = fmt.Fprintln(orders, stop)
	}
	for {
		select {
		case <-signals:
			if asked {
				_ = orders.Close() // the worker takes this as the front's death
				continue
			}
			ask()
		case <-orphaned:
			orphaned = nil
			ask()
		case err := <-ended:
			return exitCode(err), nil
		}
	}
}

// pass tells the worker of every line, until there are no more: that nobody can
// enter anything is no reason to end.
func pass(orders io.Writer) {
	keepInBackground()
	for lines := bufio.NewReader(os.Stdin); ; {
		if _, err := lines.ReadString('\n'); err != nil {
			return
		}
		if _, err := fmt.Fprintln(orders, entered); err != nil {
			return
		}
	}
}

// runWorker calls work with a context that ends when a stop is asked for.
func runWorker(work Work) int {
	if err := errors.Join(os.Unsetenv(marker), enterGroup()); err != nil {
		fmt.Fprintln(os.Stderr, "cannot guard the processes to come:", err)
		return 1
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	lines := make(chan struct{}, 1)
	go func() {
		for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
			if orders.Text() == stop {
				cancel(ErrStopped)
				continue
			}
			select {
			case lines <- struct{}{}:
			default: // one is waiting already
			}
		}
		killOwnGroup() // the front is gone
	}()
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	return work(ctx, lines)
}

// exitCode is what a shell would make of the way the worker ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default:
		return 1 // by a signal
	}
}
