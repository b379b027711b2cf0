package languagehost

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// program says what it was told and ends as its configuration wants.
const program = `package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	for _, name := range []string{"PROJECT", "STACK", "ORGANIZATION", "ROOT_DIRECTORY", "CONFIG", "CONFIG_SECRET_KEYS", "DRY_RUN", "PARALLEL", "MONITOR"} {
		fmt.Println(name + "=" + os.Getenv("PULUMI_" + name))
	}
	dir, _ := os.Getwd()
	fmt.Println("in " + dir)
	if config := os.Getenv("PULUMI_CONFIG"); strings.Contains(config, "told") {
		os.Exit(32)
	} else if strings.Contains(config, "crash") {
		panic("oh no")
	}
}
`

// pretendEngine keeps what it is told.
type pretendEngine struct {
	pulumirpc.UnimplementedEngineServer
	mu  sync.Mutex
	log strings.Builder
}

func (e *pretendEngine) Log(_ context.Context, r *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log.WriteString(r.GetSeverity().String() + " " + r.GetMessage())
	return &emptypb.Empty{}, nil
}

func (e *pretendEngine) told() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.log.Reset()
	return e.log.String()
}

func TestRun(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir()) // as a program sees its own folder
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "program")
	write := func(file, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write("go.mod", "module example.com/program\n\ngo 1.26\n")
	write("main.go", program)

	engine := new(pretendEngine)
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: cancel, Init: func(g *grpc.Server) error {
		pulumirpc.RegisterEngineServer(g, engine)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer close(cancel)
	client := attach(t, "127.0.0.1:"+strconv.Itoa(handle.Port))
	run := func(want string) (*pulumirpc.RunResponse, string) {
		t.Helper()
		r, err := client.Run(t.Context(), &pulumirpc.RunRequest{
			Project: "p", Stack: "s", Organization: "o", Pwd: dir, DryRun: true, Parallel: 4, MonitorAddress: "monitor",
			Config: map[string]string{"p:want": want}, ConfigSecretKeys: []string{"p:want"},
			Info: &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: dir, EntryPoint: "."},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r, engine.told()
	}

	r, log := run("success")
	if r.GetError() != "" || r.GetBail() {
		t.Errorf("got %v", r)
	}
	want := "INFO PROJECT=p\nINFO STACK=s\nINFO ORGANIZATION=o\nINFO ROOT_DIRECTORY=" + root +
		"\nINFO CONFIG={\"p:want\":\"success\"}\nINFO CONFIG_SECRET_KEYS=[\"p:want\"]\nINFO DRY_RUN=true\nINFO PARALLEL=4\nINFO MONITOR=monitor\nINFO in " + dir + "\n"
	if log != want {
		t.Errorf("the program said\n%swant\n%s", log, want)
	}
	if r, _ = run("told"); !r.GetBail() || r.GetError() != "" {
		t.Errorf("a program that told its error itself: %v", r)
	}
	if r, log = run("crash"); !strings.Contains(r.GetError(), "the program failed: exit status 2") || !strings.Contains(log, "ERROR panic: oh no") {
		t.Errorf("a program that crashed: %v\n%s", r, log)
	}
	write("main.go", "package main\n\nfunc main() { undefined() }\n")
	if r, _ = run(""); !strings.Contains(r.GetError(), "go build in "+dir) || !strings.Contains(r.GetError(), "undefined: undefined") {
		t.Errorf("a program that does not compile: %v", r)
	}
}

// attach starts a host and greets it as the engine at that address does.
func attach(t *testing.T, engine string) pulumirpc.LanguageRuntimeClient {
	t.Helper()
	h, err := Serve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	_, port, ok := strings.Cut(h.Env()["PULUMI_DEBUG_LANGUAGES"], "go:")
	if !ok {
		t.Fatalf("the environment is %v", h.Env())
	}
	conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	client := pulumirpc.NewLanguageRuntimeClient(conn)
	if _, err := client.Run(t.Context(), &pulumirpc.RunRequest{}); err == nil || !strings.Contains(err.Error(), "handshake") {
		t.Errorf("ran a program before the engine said where it is: %v", err)
	}
	if _, err := client.Handshake(t.Context(), &pulumirpc.LanguageHandshakeRequest{EngineAddress: engine}); err != nil {
		t.Fatal(err)
	}
	return client
}
