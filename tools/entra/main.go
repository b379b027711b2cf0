// Command entra registers the MCP server and a client of it in Microsoft Entra
// ID, and writes what they are called to .env. Without --apply it only reads,
// and prints what it would do. See usage.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/prynai/prynai-mcp/tools/entra/envfile"
	"github.com/prynai/prynai-mcp/tools/entra/graph"
	"github.com/prynai/prynai-mcp/tools/entra/registration"
)

const usage = `entra registers the server and a client of it in Microsoft Entra ID.

  go tool task entra                 print what there is and what would be done
  go tool task entra -- --apply      do it, and write .env

It signs in as whoever "az login" did, or by the AZURE_ variables or the managed
identity of the environment. Apps can be registered by the role Application
Developer; granting needs Cloud Application Administrator.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := command{
		getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr,
		endpoint: graph.Endpoint, credential: signIn,
	}.run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "entra:", err)
		os.Exit(1)
	}
}

// errUsage is a wrong flag; the flag package has told what is wrong.
var errUsage = errors.New("usage")

// command is the program, with what ties it to its surroundings.
type command struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	endpoint       string
	transport      policy.Transporter // nil: the SDK's own
	credential     func(tenant string) (azcore.TokenCredential, error)
}

type options struct {
	registration.Wish
	apply   bool
	envFile string
}

func (c command) run(ctx context.Context, args []string) error {
	o, err := c.parse(args)
	if err != nil {
		return err
	}
	env, err := envfile.Read(o.envFile)
	if err != nil {
		return err
	}
	o.Tenant = cmp.Or(o.Tenant, c.getenv("ENTRA_TENANT_ID"), env.Get("ENTRA_TENANT_ID"))
	credential, err := c.credential(o.Tenant)
	if err != nil {
		return err
	}
	r, err := registration.Plan(ctx, graph.New(c.endpoint, credential, c.transport), o.Wish, env)
	if err != nil {
		return err
	}
	if c.print(r) == 0 {
		fmt.Fprintln(c.stdout, "\nNothing to do.")
		return nil
	}
	if !o.apply {
		fmt.Fprintln(c.stdout, "\nNothing was changed. To do this, add: --apply")
		return nil
	}
	fmt.Fprintln(c.stdout)
	if err := r.Apply(ctx, c.done, c.pausing); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, "\nDone. Entra may take some minutes until tokens carry the role; look at one: go tool task smoke -- token")
	return nil
}

func (c command) parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("entra", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() {
		fmt.Fprint(c.stderr, usage)
		flags.PrintDefaults()
	}
	var days int
	flags.BoolVar(&o.apply, "apply", false, "do it; without, nothing is changed")
	flags.StringVar(&o.Name, "name", "prynai-mcp", "register apps called `NAME`-server and NAME-client; one name per deployment")
	flags.StringVar(&o.Tenant, "tenant", "", "the tenant's `ID`; else ENTRA_TENANT_ID, or the one signed in to")
	flags.StringVar(&o.envFile, "env-file", ".env", "the `FILE` to write to")
	flags.BoolVar(&o.VSCode, "vscode", false, "let VS Code sign every user of the tenant in, without asking for consent")
	flags.BoolVar(&o.Delegated, "delegated", false, "let the client act for users too (scope "+registration.Scope+", consent for all of them)")
	flags.Func("grant", "grant "+registration.Role+" also to the identity with the client `ID` (can be repeated)", func(id string) error {
		if !guid.MatchString(id) {
			return errors.New("want a client id, such as 00000000-0000-0000-0000-000000000000")
		}
		o.GrantTo = append(o.GrantTo, id)
		return nil
	})
	flags.IntVar(&days, "secret-days", 180, "the client secret ends after so many days")
	flags.BoolVar(&o.NewSecret, "new-secret", false, "make a new client secret; the old ones stay until they end")
	flags.BoolVar(&o.NoSecret, "no-secret", false, "make no client secret")
	flags.BoolVar(&o.Force, "force", false, "overwrite the values of other apps in .env")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errUsage
	}
	o.SecretLifetime = time.Duration(days) * 24 * time.Hour
	return o, o.check(flags.Args(), days)
}

var (
	guid      = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,60}$`)
)

func (o options) check(rest []string, days int) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag; --help lists them", rest[0])
	case !validName.MatchString(o.Name):
		return fmt.Errorf("--name %q: want small letters, digits and hyphens", o.Name)
	case o.Tenant != "" && !guid.MatchString(o.Tenant):
		return fmt.Errorf("--tenant %q: want the tenant's id, such as 00000000-0000-0000-0000-000000000000 (az account show --query tenantId)", o.Tenant)
	case days < 1 || days > 730:
		return fmt.Errorf("--secret-days %d: want 1 to 730", days)
	case o.NewSecret && o.NoSecret:
		return errors.New("--new-secret and --no-secret contradict each other")
	}
	return nil
}

// print shows the plan and counts what is to be done.
func (c command) print(r *registration.Registration) (open int) {
	fmt.Fprintf(c.stdout, "Tenant %s, %s\n\n", r.Tenant.DisplayName, r.Tenant.ID)
	for _, step := range r.Steps() {
		fmt.Fprintf(c.stdout, "  %-6s  %s\n", step.Verb, step.What)
		if !step.Done() {
			open++
		}
	}
	return open
}

func (c command) done(step registration.Step) {
	fmt.Fprintf(c.stdout, "  done: %s %s\n", step.Verb, step.What)
}

func (c command) pausing(pause time.Duration) {
	fmt.Fprintf(c.stdout, "  Entra has not caught up yet; again in %s\n", pause)
}
