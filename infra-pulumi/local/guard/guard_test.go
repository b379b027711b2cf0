package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary plays every part, by the value of this variable.
const role = "GUARD_TEST_ROLE"

// patience is how long anything may take on a loaded machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "launcher": // as go and task do: start a child, wait for it, pass on nothing
		part := "launcher"
		if len(os.Args) == 2 {
			part = "command"
		}
		play(part, os.Args[1], os.Args[2:]...)
	case "command":
		os.Exit(Run(work, os.Getenv("GUARD_TEST_LISTEN") != ""))
	case "sleeper":
		time.Sleep(time.Hour)
	}
}

func play(part, program string, args ...string) {
	child := exec.Command(program, args...)
	child.Env = append(os.Environ(), role+"="+part)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	_ = child.Run()
}

// work starts a process that it never ends, and waits until it is told to stop.
func work(ctx context.Context, entered <-chan struct{}) int {
	sleeper := exec.Command(os.Args[0])
	sleeper.Env = append(os.Environ(), role+"=sleeper")
	sleeper.Stdout = os.Stdout
	if err := sleeper.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("up", os.Getpid(), os.Getppid())
	if os.Getenv("GUARD_TEST_FAIL") != "" {
		return 3
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-entered:
			fmt.Println("heard")
		}
	}
	fmt.Println("stopping")
	if os.Getenv("GUARD_TEST_HANG") != "" {
		time.Sleep(time.Hour)
	}
	fmt.Println("stopped")
	return 0
}

// family is a started command. Every process of it holds its standard output,
// so the end of that is the end of the last of them.
type family struct {
	t             *testing.T
	input         io.WriteCloser
	eldest        *exec.Cmd
	lines         chan string
	worker, front int
}

func start(t *testing.T, env, program string, args ...string) *family {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	f := &family{t: t, eldest: exec.Command(program, args...), lines: make(chan string, 100)}
	f.eldest.Env = append(os.Environ(), role+"=command", env)
	if len(args) > 0 {
		f.eldest.Env = append(f.eldest.Env, role+"=launcher")
	}
	f.eldest.Stdout, f.eldest.Stderr = writer, os.Stderr
	if f.input, err = f.eldest.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := f.eldest.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	go func() {
		defer close(f.lines)
		for scan := bufio.NewScanner(reader); scan.Scan(); {
			f.lines <- scan.Text()
		}
	}()
	if _, err := fmt.Sscanf(f.line(), "up %d %d", &f.worker, &f.front); err != nil {
		t.Fatal(err)
	}
	return f
}

// line is the next line, or nothing when the last process is gone.
func (f *family) line() string {
	f.t.Helper()
	select {
	case line := <-f.lines:
		return line
	case <-time.After(patience):
		f.t.Fatal("a process still runs and says nothing")
		return ""
	}
}

// wantEnd checks that the family says these lines and is gone then.
func (f *family) wantEnd(lines ...string) {
	f.t.Helper()
	for _, want := range append(lines, "") {
		if got := f.line(); got != want {
			f.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func interrupt(t *testing.T, pid int) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a Windows process cannot be sent an interrupt from here")
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(os.Interrupt)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestInterruptStopsInOrder(t *testing.T) {
	f := start(t, "", os.Args[0])
	interrupt(t, f.front)
	f.wantEnd("stopping", "stopped")
	if err := f.eldest.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestSecondInterruptEndsAtOnce(t *testing.T) {
	f := start(t, "GUARD_TEST_HANG=1", os.Args[0])
	interrupt(t, f.front)
	if got := f.line(); got != "stopping" {
		t.Fatal(got)
	}
	interrupt(t, f.front)
	f.wantEnd()
	if err := f.eldest.Wait(); err == nil {
		t.Fatal("exit code 0")
	}
}

func TestFrontKilled(t *testing.T) {
	f := start(t, "GUARD_TEST_HANG=1", os.Args[0])
	kill(t, f.front)
	f.wantEnd()
	_ = f.eldest.Wait()
}

func TestWorkerKilled(t *testing.T) {
	f := start(t, "", os.Args[0])
	kill(t, f.worker)
	f.wantEnd()
	if err := f.eldest.Wait(); err == nil {
		t.Fatal("exit code 0")
	}
}

// Lines reach the work, and the end of them ends nothing.
func TestEntered(t *testing.T) {
	f := start(t, "GUARD_TEST_LISTEN=1", os.Args[0])
	for range 2 {
		if _, err := io.WriteString(f.input, "\n"); err != nil {
			t.Fatal(err)
		}
		if got := f.line(); got != "heard" {
			t.Fatal(got)
		}
	}
	if err := f.input.Close(); err != nil {
		t.Fatal(err)
	}
	interrupt(t, f.front)
	f.wantEnd("stopping", "stopped")
	_ = f.eldest.Wait()
}

func TestExitCode(t *testing.T) {
	f := start(t, "GUARD_TEST_FAIL=1", os.Args[0])
	f.wantEnd()
	_ = f.eldest.Wait()
	if got := f.eldest.ProcessState.ExitCode(); got != 3 {
		t.Fatalf("exit code %d, want 3", got)
	}
}

// go tool → task → go run → the command: killing any of them stops it in order.
func TestLauncherKilled(t *testing.T) {
	dir := t.TempDir()
	goTool, task := copyOf(t, dir, "go"), copyOf(t, dir, "task")
	for killed := range 3 {
		t.Run(strconv.Itoa(killed), func(t *testing.T) {
			// A launcher's arguments are the programs below it.
			f := start(t, "", goTool, task, goTool, os.Args[0])
			pid := f.front
			for range 3 - killed {
				parent, name, err := parentOf(pid)
				if err != nil {
					t.Fatal(err)
				}
				t.Log(name, parent)
				pid = parent
			}
			kill(t, pid)
			f.wantEnd("stopping", "stopped")
			_ = f.eldest.Wait()
		})
	}
}

func parentOf(pid int) (int, string, error) {
	parent, _, err := lookUp(pid)
	if err != nil {
		return 0, "", err
	}
	_, name, err := lookUp(parent)
	return parent, name, err
}

func copyOf(t *testing.T, dir, name string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	path := filepath.Join(dir, name)
	source, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookUpSelf(t *testing.T) {
	parent, name, err := lookUp(os.Getpid())
	if err != nil || parent != os.Getppid() {
		t.Fatal(parent, err)
	}
	if !strings.HasPrefix(filepath.Base(os.Args[0]), name) {
		t.Fatal(name)
	}
}
