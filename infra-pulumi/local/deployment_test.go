package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
)

// The whole command, as a process of its own. It compiles the server and the
// smoke client, which takes minutes where nothing is cached.
const deploymentPatience = 8 * time.Minute

// process is a running command.
type process struct {
	*exec.Cmd
	t           *testing.T
	cache       string // folder
	port, plain string
	input       io.WriteCloser
	lines       chan string
	said        strings.Builder
}

// deploy starts the command in a folder, which may be empty.
func deploy(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	d := &process{t: t, cache: t.TempDir(), port: aPort(t), plain: aPort(t), lines: make(chan string, 1000)}
	d.Cmd = d.invoke(append([]string{"--port", d.port, "--plain-port", d.plain, "--redis", redisEmbedded}, args...)...)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	d.Dir, d.Stdout, d.Stderr = folder, writer, writer
	if d.input, err = d.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	go func() {
		defer close(d.lines)
		for scan := bufio.NewScanner(reader); scan.Scan(); {
			d.lines <- scan.Text()
		}
	}()
	return d
}

// invoke is a call of the command that shares the cache with this one.
func (d *process) invoke(args ...string) *exec.Cmd {
	command := exec.CommandContext(d.t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), part+"=command", cacheVariable+"="+d.cache)
	return command
}

// smoke calls the smoke client as in another terminal.
func (d *process) smoke(args ...string) (said []byte, err error) {
	return d.invoke(append([]string{"--port", d.port, "smoke"}, args...)...).Output()
}

func aPort(t *testing.T) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// until reads what the command says until a line has this text or, without a
// text, until the last process that could say something is gone.
func (d *process) until(text string) {
	d.t.Helper()
	deadline := time.After(deploymentPatience)
	for {
		select {
		case line, open := <-d.lines:
			if !open && text == "" {
				return
			}
			if !open {
				d.t.Fatalf("it ended without saying %q:\n%s", text, &d.said)
			}
			d.said.WriteString(line + "\n")
			if text != "" && strings.Contains(line, text) {
				return
			}
		case <-deadline:
			d.t.Fatalf("it goes on without saying %q:\n%s", text, &d.said)
		}
	}
}

var listenAddress = regexp.MustCompile(`LISTEN_ADDR=(\S+) instead of 0\.0\.0\.0:8000`)

// wantGone checks that nothing listens any more, neither ingress nor replicas.
func (d *process) wantGone() {
	d.t.Helper()
	d.until("")
	addresses := []string{"127.0.0.1:" + d.port, "127.0.0.1:" + d.plain}
	for _, match := range listenAddress.FindAllStringSubmatch(d.said.String(), -1) {
		addresses = append(addresses, match[1])
	}
	if len(addresses) != 4 {
		d.t.Errorf("it named the addresses %v; want two ports and two replicas", addresses)
	}
	for _, address := range addresses {
		// A killed process is gone a moment after its pipes are.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			connection, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				break
			}
			_ = connection.Close()
			if time.Now().After(deadline) {
				d.t.Errorf("something still listens on %s", address)
				break
			}
		}
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	d := deploy(t, "", "--once")
	d.wantGone()
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"TOOLS: [", "ADD RESULT: 15", "STATUS: ok"} {
		if !strings.Contains(d.said.String(), want) {
			t.Errorf("it did not say %q:\n%s", want, &d.said)
		}
	}
}

// It stays up, serves both ports, and gives out tokens, until it is interrupted.
func TestStaysUntilInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a Windows process cannot be sent an interrupt from here")
	}
	d := deploy(t, "")
	d.until("Ctrl-C ends it")

	response, err := http.Get("http://127.0.0.1:" + d.plain + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || !strings.Contains(string(body), `"redis":true`) {
		t.Errorf("health: %s %v", body, err)
	}
	token, err := d.smoke("token", "--raw")
	if err != nil || strings.Count(string(token), ".") != 2 {
		t.Errorf("no token: %v", err)
	}
	if _, err := d.smoke(); err != nil {
		t.Errorf("the smoke test of a running deployment: %v", err)
	}

	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	d.wantGone()
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := d.smoke(); err == nil {
		t.Error("the smoke command does not notice that nothing runs")
	}
}

// Enter releases what the source is then; what does not compile or does not
// hold leaves the old version where it is.
func TestEnter(t *testing.T) {
	t.Parallel()
	root := copyRepository(t)
	d := deploy(t, root)
	d.until("Ctrl-C ends it")
	source := filepath.Join(root, "server", "surface", "add.go")
	for _, step := range []struct{ old, new, says string }{
		{"", "", "nothing to release"},
		{"in.A + in.B", "in.A + in.B + 1", "the traffic stays with revision"}, // does not hold
		{"in.B + 1", "in.B +", "the traffic stays with revision"},             // does not compile
		{"in.A + in.B +", "in.B + in.A", "has all the traffic"},
	} {
		edit(t, source, step.old, step.new)
		if _, err := io.WriteString(d.input, "\n"); err != nil {
			t.Fatal(err)
		}
		d.until(step.says)
		d.until("Enter releases")
		if _, err := d.smoke(); err != nil {
			t.Errorf("then: %v", err)
		}
	}
	if err := d.input.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.smoke(); err != nil {
		t.Errorf("when nobody can enter anything any more: %v", err)
	}
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.until("")
	_ = d.Wait()
}

// copyRepository makes a folder with all that the command builds of the repository.
func copyRepository(t *testing.T) (root string) {
	t.Helper()
	from, err := image.Root()
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	for _, module := range []string{"server", "smoke"} {
		if err := os.CopyFS(filepath.Join(root, module), os.DirFS(filepath.Join(from, module))); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"Pulumi.yaml": "", "go.work": "go 1.26.8\nuse ./server\nuse ./smoke\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not have %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	d := deploy(t, "")
	d.until("Ctrl-C ends it")
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.wantGone()
	_ = d.Wait()
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := &process{t: t, cache: t.TempDir()}
	said, err := d.invoke("--once", "--port", port).CombinedOutput()
	if err == nil {
		t.Error("exit code 0")
	}
	if !strings.Contains(string(said), "local: cannot listen on port "+port) || strings.Contains(string(said), "goroutine") {
		t.Errorf("it said:\n%s", said)
	}
}
