package azure

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Preview tells what a release would change, and the changes that would destroy something.
func (c *Cloud) Preview(ctx context.Context) (changes string, destroyed int, err error) {
	if err := c.readOutputs(ctx); err != nil {
		return "", 0, err
	}
	program := c.program
	program.Release = release(c.record(), false)
	c.stack.Workspace().SetProgram(program.Deploy)
	result, err := c.stack.Preview(ctx, optpreview.ProgressStreams(&progress{out: c.out}))
	if err != nil {
		return "", 0, failure("preview", err)
	}
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(result.ChangeSummary)) {
		n := result.ChangeSummary[op]
		if op != apitype.OpSame {
			parts = append(parts, fmt.Sprintf("%d to %s", n, op))
		}
		switch op {
		case apitype.OpDelete, apitype.OpReplace, apitype.OpDeleteReplaced:
			destroyed += n
		}
	}
	if len(parts) == 0 {
		return "nothing changes", 0, nil
	}
	return strings.Join(parts, ", "), destroyed, nil
}

// up runs a program. Once begun it is not interrupted: what Azure has begun ends there all the same, and Pulumi's
// state is to know of it.
func (c *Cloud) up(ctx context.Context, program pulumi.RunFunc, options ...optup.Option) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.stack.Workspace().SetProgram(program)
	err := exclusively(ctx, c.stack, c.out, func() error {
		result, err := c.stack.Up(context.WithoutCancel(ctx), options...)
		c.outputs = result.Outputs // nil after a failure: whatever was recorded is read again
		return err
	})
	if err != nil {
		return failure("up", err)
	}
	return nil
}

// Destroy deletes everything that a stack has, what is protected too: whoever calls it has asked. Once begun it is not interrupted either.
func Destroy(ctx context.Context, s auto.Stack, out io.Writer) error {
	err := exclusively(ctx, s, out, func() error {
		if err := unprotect(context.WithoutCancel(ctx), s); err != nil {
			return err
		}
		_, err := s.Destroy(context.WithoutCancel(ctx), optdestroy.ProgressStreams(&progress{out: out}))
		return err
	})
	if err != nil {
		return withRemedies("delete", failure("destroy", err))
	}
	return nil
}

// unprotect takes data:protect off what was made with it; the Automation API has no call for that.
func unprotect(ctx context.Context, s auto.Stack) error {
	w := s.Workspace()
	var variables []string
	for name, value := range w.GetEnvVars() {
		variables = append(variables, name+"="+value)
	}
	if home := w.PulumiHome(); home != "" {
		variables = append(variables, "PULUMI_HOME="+home)
	}
	_, said, _, err := w.PulumiCommand().Run(ctx, w.WorkDir(), nil, nil, nil, variables, "state", "unprotect", "--all", "--yes", "--stack", s.Name())
	if err != nil {
		return fmt.Errorf("take the protection off: %w: %s", err, strings.TrimSpace(said))
	}
	return nil
}

// login asks the provider for its login. A preview of a program that does nothing else changes nothing.
func (c *Cloud) login(ctx context.Context) (login, error) {
	var got login
	c.stack.Workspace().SetProgram(func(ctx *pulumi.Context) error {
		who, err := authorization.GetClientConfig(ctx)
		if err != nil {
			return err
		}
		token, err := authorization.GetClientToken(ctx, &authorization.GetClientTokenArgs{})
		if err != nil {
			return err
		}
		got = login{subscription: who.SubscriptionId, token: token.Token}
		return nil
	})
	_, err := c.stack.Preview(ctx)
	if got.token == "" {
		return got, fmt.Errorf("ask Azure who deploys: %w; log in with `az login`", failure("preview", err))
	}
	// The preview itself may fail: it leaves out resources that may be protected.
	environment, err := c.stack.GetConfig(ctx, "azure-native:environment")
	if err != nil {
		environment.Value = "" // not configured
	}
	got.endpoint = stack.ManagerEndpoint(environment.Value)
	return got, nil
}

// failure keeps of a failed run what the engine says about it.
func failure(what string, err error) error {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "Diagnostics:"); ok {
		text = after
		for _, end := range []string{"\nOutputs:", "\nResources:", "\nstderr:"} {
			text, _, _ = strings.Cut(text, end)
		}
	}
	return fmt.Errorf("pulumi %s failed:\n%s", what, strings.Trim(text, "\n"))
}

// refused is how the engine begins what it says about one resource.
var refused = regexp.MustCompile(`(?m)^  azure-native:\S+ \((\S+)\):$`)

// withRemedies adds what to do about each resource that the engine names, where no program ran that says so itself.
func withRemedies(operation string, err error) error {
	said := err.Error()
	resources := refused.FindAllStringSubmatchIndex(said, -1)
	for i, at := range resources {
		end := len(said)
		if i+1 < len(resources) {
			end = resources[i+1][0]
		}
		err = fmt.Errorf("%w\n\n  %s", err, stack.Remedy(said[at[2]:at[3]], operation, said[at[1]:end]))
	}
	return err
}

// progress passes on what the engine says while it works, without what it says at the end.
type progress struct {
	out   io.Writer
	line  []byte // the last one, unfinished
	ended bool
}

func (p *progress) Write(b []byte) (int, error) {
	for _, c := range b {
		if p.line = append(p.line, c); c != '\n' {
			continue
		}
		line := strings.TrimRight(string(p.line), " \r\n")
		p.line = p.line[:0]
		p.ended = p.ended || line == "Diagnostics:" || line == "Outputs:" || line == "Resources:"
		if !p.ended && strings.HasPrefix(line, " ") { // a resource
			_, _ = fmt.Fprintln(p.out, "         "+line)
		}
	}
	return len(b), nil
}
