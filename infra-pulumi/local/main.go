// Command local runs the deployment on this machine.
//
// It evaluates the Pulumi program, takes the Container App that this declares,
// and runs it here: the image by digest from a registry on loopback, the
// declared variables, secrets, probes and port, several replicas, an HTTPS
// ingress that is not sticky. Redis is redis-server where that is installed,
// Entra a stand-in. The smoke client then proves it. Whatever is wrong in the
// declaration fails here first.
//
// While it runs, Enter releases the server as it is then, by the logic of
// package rollout, which releases to Azure too: beside the old version, proven
// before it gets a request, and without one lost.
//
// Everything listens on loopback only, every key and password is made on the
// spot, and nothing touches the machine's trust store. When the command ends,
// however it ends, all that it started is gone (see package guard).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/guard"
)

const (
	defaultPort      = 8443
	defaultPlainPort = 8000
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `local runs the deployment on this machine and proves it with the smoke client.

Usage:
  local [flags]               run until Ctrl-C; Enter releases a new version
  local [flags] smoke [args]  call the smoke client for a run in another terminal:
                              "smoke" tests it again, "smoke token --raw" gets a token

Flags:
`

func main() { os.Exit(guard.Run(command, listens(os.Args[1:]))) }

// listens tells whether the command wants the lines that are entered.
func listens(args []string) bool {
	o, err := parse(args, io.Discard)
	return err == nil && !o.once && o.smoke == nil
}

func command(ctx context.Context, entered <-chan struct{}) int {
	options, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case options.smoke != nil:
		err = smokeAgain(ctx, options)
	default:
		err = run(ctx, options, entered, os.Stdout)
	}
	var exit exitCode
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, guard.ErrStopped):
		fmt.Fprintln(os.Stderr, "local: stopped before it was up")
		return exitInterrupted
	default:
		fmt.Fprintln(os.Stderr, "local:", err)
		return exitFailed
	}
}

// options are the command line.
type options struct {
	port, plainPort int
	redis           string
	once, logs      bool
	smoke           []string // the smoke client's arguments; nil: run the deployment
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.BoolVar(&o.once, "once", false, "end after the smoke test; the exit code tells whether all held")
	flags.IntVar(&o.port, "port", defaultPort, "port of the HTTPS ingress")
	flags.IntVar(&o.plainPort, "plain-port", defaultPlainPort, "port of the same ingress without TLS, for clients that reject local certificates")
	flags.StringVar(&o.redis, "redis", redisAuto, "server (redis-server), embedded, or auto: redis-server where it is installed")
	flags.BoolVar(&o.logs, "logs", false, "show the replicas' logs")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	problem := ""
	switch {
	case !isPort(o.port):
		problem = fmt.Sprintf("--port is %d, want 1 to 65535", o.port)
	case !isPort(o.plainPort):
		problem = fmt.Sprintf("--plain-port is %d, want 1 to 65535", o.plainPort)
	case o.port == o.plainPort:
		problem = fmt.Sprintf("--port and --plain-port are both %d", o.port)
	case o.redis != redisAuto && o.redis != redisServer && o.redis != redisEmbedded:
		problem = fmt.Sprintf("--redis is %q, want %s, %s or %s", o.redis, redisAuto, redisServer, redisEmbedded)
	case flags.NArg() > 0 && flags.Arg(0) != "smoke":
		problem = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case flags.NArg() > 0:
		o.smoke = flags.Args()[1:]
	}
	if problem != "" {
		_, _ = fmt.Fprintln(stderr, "local:", problem)
		return options{}, errors.New(problem)
	}
	return o, nil
}

func isPort(n int) bool { return 1 <= n && n <= 65535 }
