// Command operate is what people do with a running deployment: read its log, see its state, change its size, open its
// page. It is thin: each command that it runs is shown first, to be learned and used without it. Names come from the
// stack's outputs, and nothing changes the app past Pulumi: the next deployment would undo that.
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
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `operate works on a deployment.

  go tool task logs                   follow the server's log
  go tool task status                 revisions, traffic, replicas, certificate, Redis
  go tool task scale -- 2 10          at least 2 and at most 10 replicas, then deploy
  go tool task open                   open the server's page in a browser

Flags, before the numbers:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := operator{system: runCommand, expiry: certificateExpiry, os: runtime.GOOS, out: os.Stdout, log: os.Stderr}.run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp), ctx.Err() != nil: // whoever follows the log ends it
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "operate:", err)
		os.Exit(1)
	}
}

// errUsage is a wrong argument; what is wrong has been told.
var errUsage = errors.New("usage")

// systemFunc runs a command; its output goes to out.
type systemFunc func(ctx context.Context, out io.Writer, name string, args ...string) error

func runCommand(ctx context.Context, out io.Writer, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, out, os.Stderr
	command.WaitDelay = 10 * time.Second
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// operator is the program, with what ties it to its surroundings.
type operator struct {
	system   systemFunc
	expiry   func(ctx context.Context, url string) (time.Time, error)
	os       string
	out, log io.Writer
	stack    string
}

func (o operator) run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("operate", flag.ContinueOnError)
	flags.SetOutput(o.log)
	flags.Usage = func() {
		fmt.Fprint(o.log, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.stack, "stack", "", "the stack; without it the selected one")
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	switch {
	case name == "scale":
		return o.scale(ctx, flags.Args())
	case flags.NArg() > 0:
		return o.wrong("unexpected argument %q", flags.Arg(0))
	case name == "logs":
		return o.logs(ctx)
	case name == "status":
		return o.status(ctx)
	case name == "open":
		return o.open(ctx)
	}
	return o.wrong("want logs, status, scale or open, not %q", name)
}

func (o operator) wrong(format string, args ...any) error {
	fmt.Fprintf(o.log, "operate: "+format+"\n", args...)
	return errUsage
}

// show runs a command after it has printed it.
func (o operator) show(ctx context.Context, name string, args ...string) error {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; strings.ContainsAny(arg, " []{}'\"?&*") {
			quoted[i] = `"` + arg + `"`
		}
	}
	fmt.Fprintf(o.out, "\n$ %s %s\n", name, strings.Join(quoted, " "))
	return o.system(ctx, o.out, name, args...)
}

// output reads one of the stack's outputs.
func (o operator) output(ctx context.Context, name string) (string, error) {
	var b strings.Builder
	if err := o.system(ctx, &b, "pulumi", o.ofStack("stack", "output", name)...); err != nil {
		return "", fmt.Errorf("read the stack's output %s: %w", name, err)
	}
	return strings.TrimSpace(b.String()), nil
}

func (o operator) ofStack(args ...string) []string {
	if o.stack != "" {
		args = append(args, "--stack", o.stack)
	}
	return args
}

// app is the arguments by which the Azure CLI finds the app.
func (o operator) app(ctx context.Context) (args []string, group string, err error) {
	if group, err = o.output(ctx, "resourceGroup"); err != nil {
		return nil, "", err
	}
	name, err := o.output(ctx, "containerApp")
	return []string{"--name", name, "--resource-group", group}, group, err
}

func (o operator) logs(ctx context.Context) error {
	app, _, err := o.app(ctx)
	if err != nil {
		return err
	}
	return o.show(ctx, "az", append([]string{"containerapp", "logs", "show", "--follow", "--tail", "50"}, app...)...)
}

func (o operator) status(ctx context.Context) error {
	app, group, err := o.app(ctx)
	if err != nil {
		return err
	}
	url, err := o.output(ctx, "mcpUrl")
	if err != nil {
		return err
	}
	problem := o.show(ctx, "az", append([]string{"containerapp", "revision", "list", "--output", "table", "--query",
		"[].{revision:name,active:properties.active,traffic:properties.trafficWeight,replicas:properties.replicas,health:properties.healthState}"}, app...)...)
	problem = errors.Join(problem, o.redis(ctx, group))
	switch end, err := o.expiry(ctx, url); {
	case err != nil:
		problem = errors.Join(problem, fmt.Errorf("ask %s for its certificate: %w", url, err))
	default:
		fmt.Fprintf(o.out, "\ncertificate of %s: ends %s\n", url, end.UTC().Format(time.DateOnly))
	}
	return problem
}

// redis tells the kind, size and memory of each Redis in the group.
func (o operator) redis(ctx context.Context, group string) error {
	list := []string{"resource", "list", "--resource-group", group, "--query"}
	const caches = "[?type=='Microsoft.Cache/redis' || type=='Microsoft.Cache/Redis' || type=='Microsoft.Cache/redisEnterprise']"
	if err := o.show(ctx, "az", append(list, caches+".{redis:name,kind:type,size:sku.name}", "--output", "table")...); err != nil {
		return err
	}
	var ids strings.Builder
	if err := o.system(ctx, &ids, "az", append(list, caches+".id", "--output", "tsv")...); err != nil {
		return err
	}
	for id := range strings.FieldsSeq(ids.String()) {
		err := o.show(ctx, "az", "monitor", "metrics", "list", "--resource", id, "--metric", "usedmemorypercentage", "--aggregation", "Maximum",
			"--interval", "PT5M", "--offset", "30m", "--query", "value[].timeseries[].data[-1]", "--output", "table")
		if err != nil {
			return err
		}
	}
	return nil
}

// scale changes the configuration and deploys: what is changed on Azure alone makes a revision that nobody has proven.
func (o operator) scale(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return o.wrong("want scale MIN [MAX]")
	}
	for i, key := range []string{"server:minReplicas", "server:maxReplicas"}[:len(args)] {
		if n, err := strconv.Atoi(args[i]); err != nil || n < 1 {
			return o.wrong("%q is no number of replicas", args[i])
		}
		if err := o.show(ctx, "pulumi", o.ofStack("config", "set", key, args[i])...); err != nil {
			return err
		}
	}
	return o.show(ctx, "go", o.ofStack("run", "./infra-pulumi/release", "deploy")...)
}

func (o operator) open(ctx context.Context) error {
	url, err := o.output(ctx, "mcpUrl")
	if err != nil {
		return err
	}
	page := strings.TrimSuffix(url, "/mcp") + "/"
	switch o.os {
	case "windows":
		return o.show(ctx, "rundll32", "url.dll,FileProtocolHandler", page)
	case "darwin":
		return o.show(ctx, "open", page)
	}
	return o.show(ctx, "xdg-open", page)
}
