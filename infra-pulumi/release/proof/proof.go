// Package proof proves a version before and after it gets the traffic, with the smoke client: a program of its own,
// which knows of the server no more than any client does.
//
// What it reports is the server's word, a stranger's: it is shown, and nothing else is done with it.
package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// Client is the smoke client, compiled.
type Client struct {
	Path        string
	Folder      string   // where it runs, and looks for .env; empty: the working directory
	Environment []string // what wins over .env, in the form of os.Environ
}

// Build compiles the smoke client of this repository.
func Build(ctx context.Context, path string) error {
	root, err := image.Root()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	command.Dir = filepath.Join(root, "smoke")
	log, err := command.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("build the smoke client: %w\n%s", err, bytes.TrimSpace(log))
	}
	return nil
}

// Command is a call of the client.
func (c Client) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, c.Path, args...)
	command.Dir = c.Folder
	command.Env = slices.Concat(os.Environ(), c.Environment)
	return command
}

// Prove is a rollout.Prove.
func (c Client) Prove(ctx context.Context, url, build string) (string, error) {
	args := []string{"--json"}
	if build != "" {
		args = append(args, "--expect-build", build)
	}
	command := c.Command(ctx, args...)
	command.Env = append(command.Env, "PRYNAI_MCP_URL="+url)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	err := command.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return verdict(out.Bytes(), strings.TrimSpace(log.String()), err, url, build)
}

// report is what the client says with --json.
type report struct {
	OK     bool   `json:"ok"`
	Build  string `json:"build"`
	Error  string `json:"error"`
	Checks []struct {
		Name    string `json:"name"`
		Failure *struct {
			Expected string `json:"expected"`
			Got      string `json:"got"`
			Cause    string `json:"cause"`
		} `json:"failure"`
	} `json:"checks"`
}

// verdict reads a report. Without a good one nothing is proven, whatever the exit code.
func verdict(out []byte, log string, exit error, url, build string) (answered string, err error) {
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		return "", fmt.Errorf("the smoke client gave no report: %w; %s", errors.Join(exit, err), log)
	}
	if exit == nil && r.OK {
		return r.Build, nil
	}
	failed := []string{fmt.Sprintf("the smoke client found fault with %s", url)}
	if r.Error != "" {
		failed = append(failed, r.Error)
	}
	for _, c := range r.Checks {
		if f := c.Failure; f != nil {
			failed = append(failed, fmt.Sprintf("%s: expected %s\n  got    %s\n  likely %s", c.Name, f.Expected, f.Got, f.Cause))
		}
	}
	err = errors.New(strings.Join(failed, "\n"))
	if build != "" && r.Build != "" && r.Build != build {
		err = fmt.Errorf("%w, %s instead of %s: %w", rollout.ErrOtherBuild, r.Build, build, err)
	}
	return r.Build, err
}
