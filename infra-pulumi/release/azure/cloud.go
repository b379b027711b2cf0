// Package azure is the cloud that a release goes to: the stack's program, run in this process by the real Pulumi
// engine, and Azure Resource Manager for what is no resource of Pulumi's, the state of revisions.
//
// Azure itself says who has the traffic. The stack's outputs only record what was wanted, and a run that was killed
// may have left them behind. Pulumi's state is changed by the program alone.
//
// The access token is the Azure login of whoever deploys, as the provider uses it. It stays in this process, and no
// error carries it.
package azure

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// appType is the Container App's as the program declares it.
const appType = "azure-native:app/v20250101:ContainerApp"

// Limits are the times of a release on Azure: a request lasts 240 seconds there at most, and the right to pull an image
// takes minutes to spread.
var Limits = rollout.Limits{
	Ready: 8 * time.Minute, Patience: 5 * time.Minute, Soak: 30 * time.Second,
	Settle: 2 * time.Minute, Drain: 240 * time.Second, Poll: 3 * time.Second,
}

// Cloud is a stack on Azure. It is not for concurrent use.
type Cloud struct {
	stack   auto.Stack
	program stack.Program
	manager *manager
	out     io.Writer

	outputs auto.OutputMap // of the last run; nil: not read yet
	build   string         // of the image that the program deploys
}

// Options are for those who run the program otherwise than whoever deploys does.
type Options struct {
	Program stack.Program
	// Out is told how the engine gets on.
	Out io.Writer
}

// New releases to a stack, whose program it sets.
func New(s auto.Stack, o Options) *Cloud {
	c := &Cloud{stack: s, program: o.Program, out: o.Out}
	if c.program.Image == nil {
		c.program.Image = stack.BuildImage
	}
	c.manager = &manager{login: c.login}
	return c
}

// Status implements rollout.Cloud.
func (c *Cloud) Status(ctx context.Context) (rollout.Status, error) {
	if err := c.readOutputs(ctx); err != nil {
		return rollout.Status{}, err
	}
	group, app := c.output("resourceGroup"), c.output("containerApp")
	if app == "" {
		return rollout.Status{}, nil // nothing was deployed yet
	}
	revisions, err := c.manager.revisions(ctx, group, app)
	if err != nil {
		return rollout.Status{}, err
	}
	status := rollout.Status{Record: c.record(), URL: c.output("mcpUrl")}
	for _, r := range revisions {
		status.Revisions = append(status.Revisions, r.revision())
	}
	return status, nil
}

// Stage implements rollout.Cloud. An app that Azure itself moves the traffic of is pinned first, in a step of its own:
// whether Azure starts a revision before it takes note where the traffic is to stay was never seen.
func (c *Cloud) Stage(ctx context.Context, record rollout.Record) (rollout.Staged, error) {
	if err := c.readOutputs(ctx); err != nil {
		return rollout.Staged{}, err
	}
	if record.Live != "" && c.record().Live == "" {
		if err := c.keepTemplate(ctx, record); err != nil {
			return rollout.Staged{}, fmt.Errorf("pin the traffic to revision %s: %w", record.Live, err)
		}
	}
	program := c.program
	program.Release = release(record, false)
	program.Image = func(ctx *pulumi.Context, to image.Registry) (*image.Deployed, error) {
		deployed, err := c.program.Image(ctx, to)
		if err == nil {
			c.build = deployed.Build
		}
		return deployed, err
	}
	err := c.up(ctx, program.Deploy, optup.ProgressStreams(&progress{out: c.out}))
	return rollout.Staged{Revision: c.output("latestRevision"), Build: c.build}, err
}

// Move implements rollout.Cloud. It touches the app alone, and of that not the template.
func (c *Cloud) Move(ctx context.Context, record rollout.Record) error {
	if err := c.readOutputs(ctx); err != nil {
		return err
	}
	app, err := c.appURN(ctx)
	if err != nil {
		return err
	}
	return c.keepTemplate(ctx, record, optup.Target([]string{app}))
}

func (c *Cloud) keepTemplate(ctx context.Context, record rollout.Record, options ...optup.Option) error {
	revision, err := c.manager.revision(ctx, c.output("resourceGroup"), c.output("containerApp"), record.Live)
	if err != nil {
		return err
	}
	program := c.program
	program.Release = release(record, true)
	program.Image = func(*pulumi.Context, image.Registry) (*image.Deployed, error) { // is there already
		return &image.Deployed{Ref: pulumi.String(revision.image()).ToStringOutput()}, nil
	}
	return c.up(ctx, program.Deploy, options...)
}

// Activate implements rollout.Cloud.
func (c *Cloud) Activate(ctx context.Context, revision string) error {
	return c.manager.act(ctx, c.output("resourceGroup"), c.output("containerApp"), revision, "activate")
}

// Deactivate implements rollout.Cloud.
func (c *Cloud) Deactivate(ctx context.Context, revision string) error {
	return c.manager.act(ctx, c.output("resourceGroup"), c.output("containerApp"), revision, "deactivate")
}

func release(record rollout.Record, keepTemplate bool) *stack.Release {
	return &stack.Release{Live: record.Live, Previous: record.Previous, KeepTemplate: keepTemplate}
}

// record is what the last run left in the outputs.
func (c *Cloud) record() rollout.Record {
	return rollout.Record{Live: c.output("live"), Previous: c.output("previous")}
}

// output is an output of the last run, empty where there is none.
func (c *Cloud) output(name string) string {
	value, _ := c.outputs[name].Value.(string)
	return value
}

// DomainNext says what is to be done next for a domain of one's own, as the last run has it; empty without one.
func (c *Cloud) DomainNext() string { return c.output("domainNext") }

// readOutputs reads the outputs once; afterwards each run brings its own.
func (c *Cloud) readOutputs(ctx context.Context) error {
	if c.outputs != nil {
		return nil
	}
	outputs, err := c.stack.Outputs(ctx)
	if err != nil {
		return fmt.Errorf("read the stack's outputs: %w", err)
	}
	c.outputs = outputs
	return nil
}

// appURN is the app's name within Pulumi.
func (c *Cloud) appURN(ctx context.Context) (string, error) {
	project, err := c.stack.Workspace().ProjectSettings(ctx)
	if err != nil {
		return "", err
	}
	name := c.stack.Name()
	name = name[strings.LastIndexByte(name, '/')+1:]
	return string(urn.New(tokens.QName(name), project.Name, "", appType, "app")), nil
}
