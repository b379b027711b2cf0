package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
)

// exitCode is the exit code of a program whose output has said why.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// smokeClient is the smoke client with what it needs to reach this deployment.
type smokeClient struct {
	Path        string            `json:"path"`
	Environment map[string]string `json:"environment"`
}

// buildSmoke compiles the smoke client.
func buildSmoke(ctx context.Context, cache string) (path string, err error) {
	root, err := image.Root()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, executable("smoke"))
	var log output
	command := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	command.Dir = filepath.Join(root, "smoke")
	command.Stdout, command.Stderr = &log, &log
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("build the smoke client: %w; %s", err, &log)
	}
	return path, nil
}

// run calls the smoke client. Its own output says what failed.
func (s smokeClient) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	command := exec.CommandContext(ctx, s.Path, args...)
	// It reads .env in its folder: here is none.
	command.Dir = filepath.Dir(s.Path)
	command.Env = os.Environ()
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		command.Env = append(command.Env, name+"="+s.Environment[name])
	}
	command.Stdout, command.Stderr = stdout, stderr
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit):
		return exitCode(max(1, exit.ExitCode()))
	default:
		return err
	}
}

// environment is what the client needs, whatever an .env file says.
func smokeEnvironment(e *entra, ca *authority, mcpURL string) map[string]string {
	return map[string]string{
		"PRYNAI_MCP_URL":      mcpURL,
		"AUTH_REQUIRED":       "true",
		"TLS_CA":              ca.pem,
		"ENTRA_AUTHORITY":     e.authority,
		"ENTRA_TENANT_ID":     e.tenant,
		"ENTRA_CLIENT_ID":     e.client,
		"ENTRA_CLIENT_SECRET": e.clientSecret,
		"SERVER_APP_ID":       e.serverApp,
		"SERVER_APP_ID_URI":   "api://" + e.serverApp,
	}
}

// runFile is where a running deployment tells the smoke command of another
// terminal how to reach it. It has a secret, so it is this user's alone, and it
// goes with the deployment.
func runFile(cache string, port int) string {
	return filepath.Join(cache, fmt.Sprintf("run-%d.json", port))
}

func (s smokeClient) save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// An old file may have been made with other permissions.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// smokeAgain calls the smoke client for a deployment that runs already.
func smokeAgain(ctx context.Context, o options) error {
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(runFile(cache, o.port))
	if err != nil {
		return fmt.Errorf("nothing runs on port %d; start it first, or name its port: --port N smoke %s", o.port, strings.Join(o.smoke, " "))
	}
	var client smokeClient
	if err := json.Unmarshal(text, &client); err != nil {
		return fmt.Errorf("read %s: %w", runFile(cache, o.port), err)
	}
	return client.run(ctx, o.smoke, os.Stdout, os.Stderr)
}
