package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
)

// exitCode is the exit code of a program whose output has said why.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// smokePath is where the smoke client is compiled to.
func smokePath(cache string) string { return filepath.Join(cache, executable("smoke")) }

// call calls the smoke client. Its own output says what failed.
func call(ctx context.Context, client proof.Client, args []string, stdout, stderr io.Writer) error {
	command := client.Command(ctx, args...)
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

// smokeEnvironment is what the client needs, whatever an .env file says.
func smokeEnvironment(e *entra, ca *authority, mcpURL string) (list []string) {
	for name, value := range map[string]string{
		"PRYNAI_MCP_URL":      mcpURL,
		"AUTH_REQUIRED":       "true",
		"TLS_CA":              ca.pem,
		"ENTRA_AUTHORITY":     e.authority,
		"ENTRA_TENANT_ID":     e.tenant,
		"ENTRA_CLIENT_ID":     e.client,
		"ENTRA_CLIENT_SECRET": e.clientSecret,
		"SERVER_APP_ID":       e.serverApp,
		"SERVER_APP_ID_URI":   "api://" + e.serverApp,
	} {
		list = append(list, name+"="+value)
	}
	return list
}

// runFile is where a running deployment tells the smoke command of another
// terminal how to reach it. It has a secret, so it is this user's alone, and it
// goes with the deployment.
func runFile(cache string, port int) string {
	return filepath.Join(cache, fmt.Sprintf("run-%d.json", port))
}

func save(client proof.Client, path string) error {
	text, err := json.Marshal(client)
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
	var client proof.Client
	if err := json.Unmarshal(text, &client); err != nil {
		return fmt.Errorf("read %s: %w", runFile(cache, o.port), err)
	}
	return call(ctx, client, o.smoke, os.Stdout, os.Stderr)
}
