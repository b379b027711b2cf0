// Command bootstrap prepares Azure for deployments by GitHub Actions: a place for Pulumi's state, a key for its secrets,
// and two identities that workflows take by OpenID Connect, so that no secret is stored anywhere. Without --apply it
// only prints the commands, as a script that a person may run instead.
//
// Whatever is there already is left as it is: to run it again is safe, also after a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const usage = `bootstrap prepares Azure for deployments by GitHub Actions.

  go tool task bootstrap -- --repository OWNER/NAME            print the commands
  go tool task bootstrap -- --repository OWNER/NAME --apply    run them

It runs the Azure CLI as whoever "az login" did, on the subscription that "az account set" chose. That takes the roles
Owner on the subscription and Application Administrator in Entra.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], runAz, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bootstrap:", err)
		os.Exit(1)
	}
}

// errUsage is a wrong flag; what is wrong has been told.
var errUsage = errors.New("usage")

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)
	regionName     = regexp.MustCompile(`^[a-z0-9]+$`)
)

func run(ctx context.Context, args []string, az azFunc, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bootstrap", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	repository := flags.String("repository", "", "the repository on GitHub, OWNER/NAME")
	location := flags.String("location", "westeurope", "the Azure region of the state")
	apply := flags.Bool("apply", false, "run the commands")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	problem := ""
	switch {
	case flags.NArg() > 0:
		problem = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case !repositoryName.MatchString(*repository):
		problem = "want --repository OWNER/NAME"
	case !regionName.MatchString(*location):
		problem = "want --location REGION, such as westeurope"
	}
	if problem != "" {
		fmt.Fprintln(stderr, "bootstrap:", problem)
		return errUsage
	}
	p := newPlan(*repository, *location)
	if !*apply {
		return p.print(stdout)
	}
	return p.apply(ctx, az, stdout)
}

// azFunc runs the Azure CLI and answers what it printed, without the line's end.
type azFunc func(ctx context.Context, args ...string) (string, error)

func runAz(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "az", append(args, "--only-show-errors")...)
	command.WaitDelay = 10 * time.Second
	out, err := command.Output()
	var failed *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("the Azure CLI is not on PATH: %w; see https://learn.microsoft.com/cli/azure/install-azure-cli", err)
	case errors.As(err, &failed):
		return "", fmt.Errorf("az %s: %w: %s", strings.Join(args[:min(3, len(args))], " "), err, strings.TrimSpace(string(failed.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
