package main

import (
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/prynai/prynai-mcp/smoke/internal/standin"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"smoke": main})
}

// TestScripts runs the program against stand-ins. Each script has a server and
// an Entra of its own, and an environment that is right for them. Beside
// testscript's own commands there are
//
//	break server|entra fault...   breaks a stand-in (or makes it slow)
//	mend                          makes both whole again
//	exitcode n command arg...     wants exactly that exit code
//	diagnosis step regexp         wants smoke doctor to begin with that step,
//	                              and to say what to change
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"break": breakStandIn, "mend": mend, "exitcode": exitCode, "diagnosis": diagnosis,
		},
	})
}

// world is what a script runs against.
type world struct {
	server *standin.Server
	entra  *standin.Entra
}

// cleaner ends a stand-in with its script.
type cleaner struct{ env *testscript.Env }

func (c cleaner) Cleanup(f func()) { c.env.Defer(f) }

func setUp(env *testscript.Env) error {
	w := world{entra: standin.NewEntra(cleaner{env})}
	w.server = standin.NewServer(cleaner{env}, w.entra)
	env.Values["world"] = w
	env.Setenv("PRYNAI_MCP_URL", w.server.URL)
	env.Setenv("TLS_CA", w.server.CA)
	env.Setenv("ENTRA_AUTHORITY", w.entra.URL)
	env.Setenv("ENTRA_TENANT_ID", standin.TenantID)
	env.Setenv("ENTRA_CLIENT_ID", standin.ClientID)
	env.Setenv("ENTRA_CLIENT_SECRET", standin.ClientSecret)
	env.Setenv("SERVER_APP_ID", standin.ServerAppID)
	return nil
}

func breakStandIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: break server|entra fault...")
	}
	w := ts.Value("world").(world)
	switch args[0] {
	case "server":
		w.server.Break(args[1:]...)
	case "entra":
		w.entra.Break(args[1:]...)
	default:
		ts.Fatalf("unknown stand-in %s", args[0])
	}
}

func mend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: mend")
	}
	w := ts.Value("world").(world)
	w.server.Mend()
	w.entra.Mend()
}

func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode n command arg...")
	}
	if code := execute(ts, args[1], args[2:]...); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func diagnosis(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: diagnosis step regexp")
	}
	code := execute(ts, "smoke", "doctor")
	out := ts.ReadFile("stdout")
	want := regexp.MustCompile(`(?m)^Start with ` + args[0] + `\.\n  expected  .+\n  got       .+\n  change    .*` + args[1])
	if code != exitFailed || !want.MatchString(out) {
		ts.Fatalf("exit code %d, want %d and %s", code, exitFailed, want)
	}
	if secret := ts.Getenv("ENTRA_CLIENT_SECRET"); strings.Contains(out, "eyJ") || secret != "" && strings.Contains(out, secret) {
		ts.Fatalf("a secret was printed")
	}
}

// execute runs a command and returns its exit code.
func execute(ts *testscript.TestScript, name string, args ...string) int {
	err := ts.Exec(name, args...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	ts.Fatalf("%s: %v", name, err)
	return -1
}
