// Package languagehost is the least of a Pulumi language host for Go: enough for the
// pulumi command to build and run the program of a project, as `pulumi-language-go`
// does, which cannot be had from a Go module proxy.
//
// It is served from the process of a test, and the pulumi command is told by its
// environment (Host.Env) to attach to it. A host serves one command at a time.
package languagehost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Host serves the language host on a port of loopback.
type Host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	folder string // for the program's binary
	handle rpcutil.ServeHandle
	cancel chan bool
	engine atomic.Value // string: the address of the engine that attached last
}

// Serve starts a host, which runs until Close; it keeps the program that it builds in
// folder.
func Serve(folder string) (*Host, error) {
	h := &Host{folder: folder, cancel: make(chan bool)}
	var err error
	h.handle, err = rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: h.cancel,
		Init: func(g *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(g, h)
			return nil
		},
	})
	return h, err
}

// Env is the environment in which a pulumi command uses this host for Go.
func (h *Host) Env() map[string]string {
	return map[string]string{"PULUMI_DEBUG_LANGUAGES": fmt.Sprintf("go:%d", h.handle.Port)}
}

// Close stops the host.
func (h *Host) Close() error {
	close(h.cancel)
	return <-h.handle.Done
}

// Handshake comes first, and says where the engine is.
func (h *Host) Handshake(_ context.Context, r *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine.Store(r.GetEngineAddress())
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo is asked for a version.
func (h *Host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "0.0.0"}, nil
}

// GetRequiredPackages names no plugins to install: the engine attaches to those that a
// test serves.
func (h *Host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// InstallDependencies leaves it to the build.
func (h *Host) InstallDependencies(*pulumirpc.InstallDependenciesRequest, grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse]) error {
	return nil
}

// Run builds the program and runs it to its end.
func (h *Host) Run(ctx context.Context, r *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	engine, ok := h.engine.Load().(string)
	if !ok {
		return nil, errors.New("the engine did not say its address in a handshake")
	}
	log, err := dialLog(engine)
	if err != nil {
		return nil, err
	}
	defer log.close()

	info := r.GetInfo()
	binary := filepath.Join(h.folder, "program.exe") // the name that also Windows runs
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Dir = info.GetProgramDirectory()
	if out, err := build.CombinedOutput(); err != nil {
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("go build in %s: %v\n%s", build.Dir, err, out)}, nil
	}
	env, err := environment(r, engine)
	if err != nil {
		return nil, err
	}
	program := exec.CommandContext(ctx, binary)
	program.Dir = r.GetPwd()
	program.Env = append(os.Environ(), env...)
	program.Stdout = log.lines(ctx, pulumirpc.LogSeverity_INFO)
	program.Stderr = log.lines(ctx, pulumirpc.LogSeverity_ERROR)
	err = program.Run()
	log.flush()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}, nil // the program has told the user why
	case err != nil:
		return &pulumirpc.RunResponse{Error: "the program failed: " + err.Error()}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

// environment is how a Go program is told what to do by pulumi.Run.
func environment(r *pulumirpc.RunRequest, engine string) ([]string, error) {
	config, err := json.Marshal(r.GetConfig())
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(r.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}
	return []string{
		pulumi.EnvOrganization + "=" + r.GetOrganization(),
		pulumi.EnvProject + "=" + r.GetProject(),
		pulumi.EnvStack + "=" + r.GetStack(),
		pulumi.EnvPulumiRootDirectory + "=" + r.GetInfo().GetRootDirectory(),
		pulumi.EnvConfig + "=" + string(config),
		pulumi.EnvConfigSecretKeys + "=" + string(secrets),
		pulumi.EnvDryRun + "=" + strconv.FormatBool(r.GetDryRun()),
		pulumi.EnvParallel + "=" + strconv.Itoa(int(r.GetParallel())),
		pulumi.EnvMonitor + "=" + r.GetMonitorAddress(),
		pulumi.EnvEngine + "=" + engine,
	}, nil
}

// engineLog shows a program's output as the engine's.
type engineLog struct {
	conn    *grpc.ClientConn
	client  pulumirpc.EngineClient
	readers sync.WaitGroup
	writers []*io.PipeWriter
}

func dialLog(engine string) (*engineLog, error) {
	conn, err := grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return nil, err
	}
	return &engineLog{conn: conn, client: pulumirpc.NewEngineClient(conn)}, nil
}

// lines is a writer of which each line becomes a message.
func (l *engineLog) lines(ctx context.Context, severity pulumirpc.LogSeverity) io.Writer {
	r, w := io.Pipe()
	l.writers = append(l.writers, w)
	l.readers.Go(func() {
		for scan := bufio.NewScanner(r); scan.Scan(); {
			message := strings.TrimRight(scan.Text(), "\r") + "\n"
			// A message that the engine does not take is lost, the program is not.
			_, _ = l.client.Log(ctx, &pulumirpc.LogRequest{Severity: severity, Message: message})
		}
		_, _ = io.Copy(io.Discard, r) // after a line that was too long
	})
	return w
}

// flush waits until everything written has been told.
func (l *engineLog) flush() {
	for _, w := range l.writers {
		_ = w.Close()
	}
	l.readers.Wait()
}

func (l *engineLog) close() { _ = l.conn.Close() }
