package main

import (
	"context"
	"strings"

	"github.com/prynai/prynai-mcp/smoke/internal/check"
	"github.com/prynai/prynai-mcp/smoke/internal/report"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// doctor goes through a setup from the outside in.
func (c *command) doctor(ctx context.Context) (bool, error) {
	d := report.NewDoctor(c.stdout)
	s, err := c.load(settings.Need{Server: true, Token: true})
	d.Add(settingsResult(s, err))
	if err == nil {
		suite := &check.Suite{Settings: s, Transport: wire.NewTransport(s.Roots), Announce: func(string) {}}
		suite.Examine(ctx, d.Add)
	}
	return d.Conclude()
}

func settingsResult(s settings.Settings, err error) check.Result {
	r := check.Result{Name: "settings", Status: check.OK}
	if err != nil {
		r.Status = check.Failed
		r.Failure = &check.Failure{
			Expected: "every setting, in .env or the environment",
			Got:      strings.ReplaceAll(err.Error(), "\n", "; "),
			Cause:    "set what is named there; smoke --help lists all settings",
		}
		return r
	}
	r.Detail = s.Endpoint.String() + ", from the environment"
	if s.EnvFile != "" {
		r.Detail += " and " + s.EnvFile
	}
	return r
}
