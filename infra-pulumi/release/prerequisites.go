package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/blang/semver"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// oldestCLI is the Pulumi CLI that the tests run with.
var oldestCLI = semver.MustParse("3.250.0")

// openStack finds what Pulumi needs. The error names what is missing, with the command that brings it.
func openStack(ctx context.Context, name string) (auto.Stack, error) {
	root, err := image.Root()
	if err != nil {
		return auto.Stack{}, err
	}
	if _, err := exec.LookPath("pulumi"); err != nil {
		return auto.Stack{}, missing("the Pulumi CLI is not on PATH", "see https://www.pulumi.com/docs/install (brew install pulumi/tap/pulumi, winget install Pulumi.Pulumi)")
	}
	cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Version: oldestCLI})
	if err != nil {
		return auto.Stack{}, missing(fmt.Sprintf("the Pulumi CLI does not serve: %v", err), fmt.Sprintf("update it to %s or newer, see https://www.pulumi.com/docs/install", oldestCLI))
	}
	workspace, err := auto.NewLocalWorkspace(ctx, auto.WorkDir(root), auto.Pulumi(cli), auto.Program(stack.Deploy))
	if err != nil {
		return auto.Stack{}, err
	}
	if _, err := workspace.WhoAmI(ctx); err != nil {
		return auto.Stack{}, missing("Pulumi has no login, or cannot use it: "+said(err), "pulumi login (or pulumi login --local, which keeps the state on this machine)")
	}
	return selectStack(ctx, workspace, name)
}

// selectStack opens a stack and leaves the selected one selected: every command names its stack.
func selectStack(ctx context.Context, workspace auto.Workspace, name string) (auto.Stack, error) {
	selected, err := workspace.Stack(ctx)
	if err != nil {
		return auto.Stack{}, err
	}
	if name == "" {
		if selected == nil {
			return auto.Stack{}, missing("no stack is selected", "pulumi stack init dev, or pulumi stack select NAME, or --stack NAME here")
		}
		name = selected.Name
	}
	s, err := auto.SelectStack(ctx, name, workspace)
	if auto.IsSelectStack404Error(err) {
		return s, missing(fmt.Sprintf("there is no stack %s", name), fmt.Sprintf("pulumi stack init %s; pulumi stack ls lists those that there are", name))
	}
	if err == nil && selected != nil && selected.Name != name {
		err = workspace.SelectStack(ctx, selected.Name)
	}
	return s, err
}

// said is what the command itself said of an error.
func said(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "\nstderr: "); ok {
		text = after
	}
	return strings.TrimPrefix(strings.TrimSpace(text), "error: ")
}

// missing is what is not there, with the command that brings it.
func missing(what, command string) error {
	return errors.New("  " + what + "\n      " + command)
}
