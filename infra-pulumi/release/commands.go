package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// command is one call of the program.
type command struct {
	options
	*console
	stdin io.Reader

	limits rollout.Limits
	smoke  func(context.Context) (*smokeClient, error)
}

// deploy releases the server as it is in this repository.
func (c *command) deploy(ctx context.Context) error {
	p, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	c.say("%-10s what would change …", "preview")
	changes, destroyed, err := p.cloud.Preview(ctx)
	if err != nil {
		return err
	}
	c.say("%-10s %s", "preview", changes)
	if destroyed > 0 && !c.replace {
		return fmt.Errorf("%d resources would be deleted or replaced, which the revision that has the traffic may use; if that is wanted: go tool task deploy -- --replace", destroyed)
	}
	if err := p.rollout.Deploy(ctx); err != nil {
		return err
	}
	return c.announce(ctx, p)
}

// rollback returns to the revision that had the traffic before.
func (c *command) rollback(ctx context.Context) error {
	p, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.rollout.Rollback(ctx); err != nil {
		return err
	}
	return c.announce(ctx, p)
}

// prepared is what a release needs.
type prepared struct {
	cloud   *azure.Cloud
	rollout *rollout.Rollout
	close   func()
}

// prepare checks that everything is there before anything is changed.
func (c *command) prepare(ctx context.Context) (*prepared, error) {
	c.say("%-10s the Pulumi CLI, its login and stack, and a token for the smoke client …", "checking")
	smoke, err := c.smoke(ctx)
	if err != nil {
		return nil, err
	}
	s, problem := openStack(ctx, c.stack)
	if problem == nil {
		var known []string
		known, problem = smokeEnvironment(ctx, s)
		smoke.Environment = append(smoke.Environment, known...)
	}
	if err := errors.Join(problem, smoke.token(ctx)); err != nil {
		smoke.remove()
		return nil, fmt.Errorf("something is missing; nothing was changed:\n%w", err)
	}
	c.say("%-10s stack %s", "checking", s.Name())
	cloud := azure.New(s, azure.Options{Out: c})
	return &prepared{
		cloud:   cloud,
		rollout: &rollout.Rollout{Cloud: cloud, Prove: smoke.Prove, Limits: c.limits, Say: c.say},
		close:   smoke.remove,
	}, nil
}

// announce tells where the server is.
func (c *command) announce(ctx context.Context, p *prepared) error {
	status, err := p.cloud.Status(ctx)
	if err != nil {
		return err
	}
	domain := ""
	if next := p.cloud.DomainNext(); next != "" {
		domain = "  domain    " + strings.ReplaceAll(next, "\n", "\n            ") + "\n"
	}
	_, err = fmt.Fprintf(c, `
  MCP URL   %s
  VS Code   pulumi stack output vscodeMcpJson
  back      go tool task rollback
%s`, status.URL, domain)
	return err
}

// destroy deletes everything that the stack has.
func (c *command) destroy(ctx context.Context) error {
	s, err := openStack(ctx, c.stack)
	if err != nil {
		return err
	}
	if !c.yes {
		_, err := fmt.Fprintf(c, "This deletes stack %s: the app, its Redis with all sessions and counters, its registry, its logs.\nType %s to go on: ", s.Name(), s.Name())
		if err != nil {
			return err
		}
		answer, err := bufio.NewReader(c.stdin).ReadString('\n')
		if strings.TrimSpace(answer) != s.Name() {
			if err != nil && answer == "" {
				return errors.New("nobody answered; nothing was deleted (--yes does not ask)")
			}
			return errors.New("that is not its name; nothing was deleted")
		}
	}
	if err := azure.Destroy(ctx, s, c); err != nil {
		return err
	}
	c.say("%-10s nothing is left on Azure; the stack's configuration is kept (pulumi stack rm %s)", "destroyed", s.Name())
	return nil
}
