// Command smoke proves a running PrynAI MCP server from the outside, as a
// client sees it.
//
// It reads .env and the environment, gets a token from Entra, connects to
// PRYNAI_MCP_URL, and walks through what the server offers. Its exit code is 0
// only if everything held. See usage for the commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `smoke proves a running PrynAI MCP server from the outside.

Usage:
  smoke [flags]          run every check; exit code 0 only if all held
  smoke token [flags]    get a token and show what it says
  smoke doctor [flags]   go through a setup that does not work; say what to change
  smoke load [flags]     put a measured load on MCP servers; exit code 0 only if
                         every reply was right (smoke load --help has its flags)

Flags:
`

const variables = `
Settings, from .env (in this folder or the repository's root) or the
environment, which wins:
  PRYNAI_MCP_URL         the server's address, https://.../mcp
  ENTRA_TENANT_ID        the tenant that issues tokens
  ENTRA_CLIENT_ID        the client application
  ENTRA_CLIENT_SECRET    its secret; without it the credentials of the
                         environment are tried: AZURE_ variables, workload
                         identity, managed identity, Azure CLI
  SERVER_APP_ID_URI      the server application's identifier URI, or
  SERVER_APP_ID          its id (then api://<id> is used)
  AUTH_REQUIRED          false: send no token (a server on loopback)
  ENTRA_AUTHORITY        another Entra than https://login.microsoftonline.com
  TLS_CA                 PEM text of authorities to trust beside the system's

Proxies are not used, whatever HTTP_PROXY and HTTPS_PROXY say.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	complain := func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, "smoke: "+format+"\n", args...) }
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	c := &command{getenv: getenv, stdout: stdout, stderr: stderr}
	flags, action := c.declare(name)
	if name == "help" {
		flags.SetOutput(stdout)
		flags.Usage()
		return exitOK
	}
	if action == nil {
		complain("unknown command %q; smoke --help lists them", name)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil: // the flag package has said so
		return exitUsage
	case flags.NArg() > 0:
		complain("unexpected argument %q; smoke --help tells how it is called", flags.Arg(0))
		return exitUsage
	case c.timeout <= 0:
		complain("--timeout is %s, want a positive duration such as 60s", c.timeout)
		return exitUsage
	}

	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	held, err := action(ctx)
	if err != nil {
		complain("%s", strings.ReplaceAll(err.Error(), "\n", "\nsmoke: "))
	}
	if err != nil || !held {
		return exitFailed
	}
	return exitOK
}

// declare returns the flags and the action of a command; there is no action
// for a name that is not one.
func (c *command) declare(name string) (*flag.FlagSet, func(context.Context) (bool, error)) {
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
		_, _ = fmt.Fprint(flags.Output(), variables)
	}
	limit := time.Minute
	if name == "load" {
		limit = time.Hour
	}
	flags.DurationVar(&c.timeout, "timeout", limit, "limit for the whole run")
	switch name {
	case "", "help":
		flags.BoolVar(&c.json, "json", false, "write one JSON document instead of lines and a table")
		flags.StringVar(&c.expectBuild, "expect-build", "", "fail when a server of another build (serverInfo.version) answers")
		return flags, c.smoke
	case "token":
		flags.BoolVar(&c.json, "json", false, "write the claims as JSON")
		flags.BoolVar(&c.raw, "raw", false, "write the token itself and nothing else; it is a secret")
		return flags, c.token
	case "doctor":
		return flags, c.doctor
	case "load":
		c.loading.declare(flags)
		flags.BoolVar(&c.json, "json", false, "write the report as one JSON document")
		return flags, c.putLoad
	}
	return flags, nil
}
