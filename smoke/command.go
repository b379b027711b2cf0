package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/check"
	"github.com/prynai/prynai-mcp/smoke/internal/diagnose"
	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/report"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// command is one call of the program.
type command struct {
	getenv         func(string) string
	stdout, stderr io.Writer

	timeout     time.Duration
	json, raw   bool
	expectBuild string
	loading     loadFlags
}

func (c *command) load(need settings.Need) (settings.Settings, error) {
	dir, err := os.Getwd()
	if err != nil {
		return settings.Settings{}, err
	}
	return settings.Load(dir, c.getenv, need)
}

// smoke runs every check.
func (c *command) smoke(ctx context.Context) (bool, error) {
	s, err := c.load(settings.Need{Server: true, Token: true})
	if err != nil {
		if c.json {
			return false, errors.Join(err, report.Error(c.stdout, err))
		}
		return false, err
	}
	announce := func(line string) { _, _ = fmt.Fprintln(c.stdout, line) }
	if c.json {
		announce = func(string) {}
	}
	suite := &check.Suite{Settings: s, Transport: wire.NewTransport(s.Roots), ExpectBuild: c.expectBuild, Announce: announce}
	run := report.Run{URL: s.Endpoint.String()}
	start := time.Now()
	suite.Prove(ctx, func(r check.Result) { run.Results = append(run.Results, r) })
	run.Duration, run.Build = time.Since(start), suite.Build()
	write := report.Table
	if c.json {
		write = report.JSON
	}
	return check.Held(run.Results), write(c.stdout, run)
}

// token gets a token and shows what it says.
func (c *command) token(ctx context.Context) (bool, error) {
	s, err := c.load(settings.Need{Token: true})
	if err != nil {
		return false, err
	}
	if !s.AuthRequired {
		return false, errors.New("AUTH_REQUIRED=false: there is no token to get; remove it to get one")
	}
	token, err := entra.Fetch(ctx, s, wire.NewTransport(s.Roots))
	if err != nil {
		return false, fmt.Errorf("no token from %s: %w\n  likely    %s", s.Authority, err, diagnose.Cause(err, diagnose.Facts{Settings: s}))
	}
	switch {
	case c.raw:
		_, err = fmt.Fprintln(c.stdout, token.Raw.Reveal())
	case c.json:
		err = report.Claims(c.stdout, token)
	default:
		_, err = fmt.Fprint(c.stdout, describe(token))
	}
	return err == nil, err
}

func describe(t entra.Token) string {
	c := t.Claims
	var b strings.Builder
	for _, line := range [][2]string{
		{"credential", t.Credential},
		{"aud", strings.Join(c.Audience, ", ")},
		{"iss", c.Issuer},
		{"tid", c.TenantID},
		{"client", c.Client},
		{"roles", strings.Join(c.Roles, ", ")},
		{"scp", c.Scopes},
		{"expires", fmt.Sprintf("%s (in %s)", c.Expires.Format(time.RFC3339), time.Until(c.Expires).Round(time.Second))},
	} {
		value := line[1]
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(&b, "%-11s %s\n", line[0], value)
	}
	return b.String()
}
