package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// smokeClient is the smoke client, compiled. Its own settings, the client's secret among them, come from .env.
type smokeClient struct {
	path        string
	folder      string   // removed in the end, with the program
	environment []string // what wins over .env
}

// buildSmoke compiles the smoke client into a folder of its own, until remove.
func buildSmoke(ctx context.Context) (*smokeClient, error) {
	root, err := image.Root()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "prynai-smoke-")
	if err != nil {
		return nil, err
	}
	s := &smokeClient{path: filepath.Join(folder, "smoke"), folder: folder}
	if runtime.GOOS == "windows" {
		s.path += ".exe"
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", s.path, ".")
	command.Dir = filepath.Join(root, "smoke")
	if log, err := command.CombinedOutput(); err != nil {
		s.remove()
		return nil, fmt.Errorf("build the smoke client: %w\n%s", err, log)
	}
	return s, nil
}

func (s *smokeClient) remove() { _ = os.RemoveAll(s.folder) } // it is a temporary one

// smokeEnvironment is what the stack knows of the settings that the client needs. What it does not, .env must.
func smokeEnvironment(ctx context.Context, s auto.Stack) ([]string, error) {
	all, err := s.GetAllConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the stack's configuration: %w", err)
	}
	environment := []string{"AUTH_REQUIRED=true"} // as the stack declares it
	for key, variable := range map[string]string{
		"entra:tenantId": "ENTRA_TENANT_ID", "entra:serverAppId": "SERVER_APP_ID", "entra:authority": "ENTRA_AUTHORITY",
	} {
		if value := all[key].Value; value != "" {
			environment = append(environment, variable+"="+value)
		}
	}
	return environment, nil
}

// token proves that the client gets a token, which a release must not find out half-way.
func (s *smokeClient) token(ctx context.Context) error {
	_, log, err := s.run(ctx, nil, "token", "--json")
	if err != nil {
		return missing("the smoke client, which proves a release, gets no token", strings.ReplaceAll(log, "\n", "\n      "))
	}
	return nil
}

// prove implements rollout.Prove.
func (s *smokeClient) prove(ctx context.Context, url, build string) (string, error) {
	args := []string{"--json"}
	if build != "" {
		args = append(args, "--expect-build", build)
	}
	out, log, err := s.run(ctx, []string{"PRYNAI_MCP_URL=" + url}, args...)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return verdict(out, log, err, url, build)
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

// run calls the client with further variables.
func (s *smokeClient) run(ctx context.Context, variables []string, args ...string) (stdout []byte, stderr string, err error) {
	command := exec.CommandContext(ctx, s.path, args...)
	command.Env = slices.Concat(os.Environ(), s.environment, variables)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	err = command.Run()
	return out.Bytes(), strings.TrimSpace(log.String()), err
}
