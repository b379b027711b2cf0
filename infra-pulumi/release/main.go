// Command release brings the deployment to Azure, and back.
//
// It runs the same Pulumi program as `pulumi up`, in this process, in the steps of package rollout: a new version gets
// no traffic before the smoke client has proven it at its own address. The exit code is 0 only if what is to have the
// traffic has it, and holds.
//
// Killed at any point, the next run looks and finishes, or goes back. The first Ctrl-C ends what is being done and
// undoes what is not proven; a second one ends at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `release brings the deployment to Azure.

Usage:
  release deploy [flags]    build, stage without traffic, prove, move the traffic, prove again
  release rollback [flags]  give the traffic back to the revision that had it before
  release destroy [flags]   delete everything, after asking

Flags:
`

func main() {
	os.Exit(run(interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// interruptible ends with the first signal that asks for an end.
func interruptible() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the program at once
		fmt.Fprintln(os.Stderr, "\nrelease: what has begun is brought to an end first; Ctrl-C again ends at once, and the next deploy takes it up")
	})
	return ctx
}

// options are the command line.
type options struct {
	name    string
	stack   string
	replace bool
	yes     bool
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	c := &command{options: o, console: newConsole(stdout), stdin: stdin, limits: azure.Limits, smoke: buildSmoke}
	if err := c.run(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "\nrelease: %s: %v\n", o.name, err)
		return exitFailed
	}
	return exitOK
}

func (c *command) run(ctx context.Context) error {
	switch c.name {
	case "deploy":
		return c.deploy(ctx)
	case "rollback":
		return c.rollback(ctx)
	default: // there are no others
		return c.destroy(ctx)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.stack, "stack", "", "the stack; without it the selected one (pulumi stack select)")
	flags.BoolVar(&o.replace, "replace", false, "deploy: go on where resources are deleted or replaced, which the revision that has the traffic may use")
	flags.BoolVar(&o.yes, "yes", false, "destroy: do not ask")
	if len(args) > 0 {
		o.name, args = args[0], args[1:]
	}
	if o.name == "-h" || o.name == "--help" || o.name == "help" {
		flags.Usage()
		return o, flag.ErrHelp
	}
	if err := flags.Parse(args); err != nil {
		return o, err // the flag package has said so
	}
	problem := ""
	switch o.name {
	case "deploy", "rollback", "destroy":
		if flags.NArg() > 0 {
			problem = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
		}
	case "":
		problem = "want deploy, rollback or destroy"
	default:
		problem = fmt.Sprintf("unknown command %q; want deploy, rollback or destroy", o.name)
	}
	if problem != "" {
		_, _ = fmt.Fprintln(stderr, "release:", problem)
		return o, errors.New(problem)
	}
	return o, nil
}
