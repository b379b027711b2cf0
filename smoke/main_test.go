package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/prynai/prynai-mcp/smoke/internal/standin"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"smoke": main})
}

// TestScripts runs the program against stand-ins that the scripts break with
//
//	break server|entra fault...
//
// Each script has a server and an Entra of its own, and an environment that is
// right for them.
func TestScripts(t *testing.T) {
	type world struct {
		server *standin.Server
		entra  *standin.Entra
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			entra := standin.NewEntra(cleaner{env})
			server := standin.NewServer(cleaner{env}, entra)
			env.Values["world"] = world{server, entra}
			env.Setenv("PRYNAI_MCP_URL", server.URL)
			env.Setenv("TLS_CA", server.CA)
			env.Setenv("ENTRA_AUTHORITY", entra.URL)
			env.Setenv("ENTRA_TENANT_ID", standin.TenantID)
			env.Setenv("ENTRA_CLIENT_ID", standin.ClientID)
			env.Setenv("ENTRA_CLIENT_SECRET", standin.ClientSecret)
			env.Setenv("SERVER_APP_ID", standin.ServerAppID)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exitcode n command arg... wants exactly that code.
			"exitcode": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exitcode n command arg...")
				}
				code := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					code = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if args[0] != strconv.Itoa(code) {
					ts.Fatalf("exit code %d, want %s", code, args[0])
				}
			},
			"break": func(ts *testscript.TestScript, neg bool, args []string) {
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
			},
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// cleaner ends a stand-in with its script.
type cleaner struct{ env *testscript.Env }

func (c cleaner) Cleanup(f func()) { c.env.Defer(f) }
