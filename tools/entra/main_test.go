package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/prynai/prynai-mcp/tools/entra/graphtest"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	serverApp = "prynai-mcp-server"
	clientApp = "prynai-mcp-client"
)

// world is a tenant and a .env file.
type world struct {
	*testing.T
	*graphtest.Directory
	env       string
	endpoint  string
	transport policy.Transporter
}

func newWorld(t *testing.T) *world {
	d := graphtest.New()
	return &world{T: t, Directory: d, env: filepath.Join(t.TempDir(), ".env"), endpoint: "https://graph.example", transport: d}
}

// inWorld runs the test on a clock of its own, so that pauses take no time.
func inWorld(t *testing.T, test func(w *world)) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.T = t
		test(w)
	})
}

type staticCredential struct{ err error }

func (c staticCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: graphtest.Token, ExpiresOn: time.Now().Add(time.Hour)}, c.err
}

// run is the command. Whatever it does, nothing that it prints is a secret.
func (w *world) run(args ...string) (string, error) {
	w.Helper()
	var out strings.Builder
	err := w.command(&out).run(w.Context(), append([]string{"--env-file", w.env}, args...))
	printed := out.String()
	if err != nil {
		printed += err.Error()
	}
	for _, secret := range append(w.Secrets(), graphtest.Token) {
		if strings.Contains(printed, secret) {
			w.Errorf("a secret was printed:\n%s", printed)
		}
	}
	return out.String(), err
}

func (w *world) command(out io.Writer) command {
	return command{
		getenv: func(string) string { return "" }, stdout: out, stderr: out,
		endpoint: w.endpoint, transport: w.transport,
		credential: func(string) (azcore.TokenCredential, error) { return staticCredential{}, nil },
	}
}

func (w *world) must(args ...string) string {
	w.Helper()
	out, err := w.run(args...)
	if err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return out
}

// fails runs the command, which must fail with all of the words.
func (w *world) fails(words []string, args ...string) {
	w.Helper()
	out, err := w.run(args...)
	if err == nil {
		w.Fatalf("succeeded:\n%s", out)
	}
	for _, words := range words {
		if !strings.Contains(err.Error(), words) {
			w.Errorf("the error does not say %q:\n%v", words, err)
		}
	}
}

func (w *world) file() string {
	w.Helper()
	text, err := os.ReadFile(w.env)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Fatal(err)
	}
	return string(text)
}

func (w *world) writeFile(text string) {
	w.Helper()
	if err := os.WriteFile(w.env, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *world) golden(name, got string) {
	w.Helper()
	path := filepath.Join("testdata", name)
	got = strings.ReplaceAll(got, w.env, ".env")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if got != string(want) {
		w.Errorf("%s: go test ./entra -update\n%s", path, got)
	}
}

func (w *world) wantNoWrites() {
	w.Helper()
	if writes := w.Writes(); len(writes) > 0 {
		w.Errorf("written: %v", writes)
	}
}

func (w *world) wantGrants(want ...string) {
	w.Helper()
	if got := w.Grants(); !slices.Equal(got, want) {
		w.Errorf("granted: %q, want %q", got, want)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.golden("plan.txt", w.must())
		w.wantNoWrites()
		if text := w.file(); text != "" {
			w.Errorf("wrote %q", text)
		}
	})
}

func TestApply(t *testing.T) {
	inWorld(t, func(w *world) {
		w.writeFile("# mine\nPRYNAI_MCP_URL=https://x/mcp\n")
		w.golden("apply.txt", w.must("--apply"))
		w.golden("server.json", w.App(serverApp))
		w.golden("client.json", w.App(clientApp))
		w.golden("env", w.file())
		w.wantGrants(clientApp + ": Mcp.Invoke")
		if info, err := os.Stat(w.env); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			w.Errorf("%v, %v", info.Mode(), err)
		}

		w.Writes()
		w.golden("again.txt", w.must("--apply"))
		w.wantNoWrites()
	})
}

// TestOverTheNetwork is a run over HTTPS, with pauses in real time: none.
func TestOverTheNetwork(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewTLSServer(w.Directory)
	defer server.Close()
	w.endpoint, w.transport = server.URL, server.Client()
	w.must("--apply")
	w.Writes()
	w.must("--apply")
	w.wantNoWrites()
}

func TestOptions(t *testing.T) {
	const pipeline = "99999999-8888-7777-6666-555555555555"
	inWorld(t, func(w *world) {
		w.Identity(pipeline, "pipeline")
		w.must("--apply")
		w.must("--apply", "--vscode", "--delegated", "--grant", pipeline)
		w.golden("server-vscode.json", w.App(serverApp))
		w.golden("client-delegated.json", w.App(clientApp))
		w.wantGrants(clientApp+": Mcp.Invoke", "pipeline: Mcp.Invoke", clientApp+": mcp.invoke (all users)")
		w.Writes()
		w.must("--apply", "--vscode", "--delegated", "--grant", pipeline)
		w.must("--apply") // what was asked for earlier stays
		w.wantNoWrites()
		w.wantGrants(clientApp+": Mcp.Invoke", "pipeline: Mcp.Invoke", clientApp+": mcp.invoke (all users)")
	})
	inWorld(t, func(w *world) { // all at once is the same
		w.Identity(pipeline, "pipeline")
		w.Lag = 10 * time.Second
		time.Sleep(w.Lag)
		w.must("--apply", "--vscode", "--delegated", "--grant", pipeline)
		w.wantGrants(clientApp+": Mcp.Invoke", "pipeline: Mcp.Invoke", clientApp+": mcp.invoke (all users)")
	})
}

// TestKeepsWhatOthersAdded: lists are replaced whole in Graph, so everything in
// them has to be sent along.
func TestKeepsWhatOthersAdded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must("--apply")
		w.Edit(serverApp, `{
			"identifierUris": ["https://contoso.example/mcp"],
			"appRoles": [{"id": "00000000-0000-0000-0000-000000000001", "value": "Greeter", "displayName": "g", "description": "g", "allowedMemberTypes": ["User"], "isEnabled": true},
				{"id": "00000000-0000-0000-0000-000000000005", "value": "Mcp.Invoke", "displayName": "m", "description": "m", "allowedMemberTypes": ["User"], "isEnabled": false}],
			"api": {"requestedAccessTokenVersion": null,
				"knownClientApplications": ["00000000-0000-0000-0000-000000000002"],
				"oauth2PermissionScopes": [{"id": "00000000-0000-0000-0000-000000000003", "value": "mcp.invoke", "type": "Admin", "adminConsentDisplayName": "a", "adminConsentDescription": "a", "isEnabled": false},
					{"id": "00000000-0000-0000-0000-000000000006", "value": "greet", "type": "User", "adminConsentDisplayName": "g", "adminConsentDescription": "g", "isEnabled": true}],
				"preAuthorizedApplications": [{"appId": "aebc6443-996d-45c2-90f0-388ff96faa56", "delegatedPermissionIds": ["00000000-0000-0000-0000-000000000006"]},
					{"appId": "00000000-0000-0000-0000-000000000004", "delegatedPermissionIds": []}]}}`)
		w.Edit(clientApp, `{"requiredResourceAccess": [{"resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": [{"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope"}]}]}`)
		w.Consent(clientApp, serverApp, "other.scope")
		w.golden("mended.txt", w.must("--apply", "--vscode", "--delegated"))
		w.golden("server-mended.json", w.App(serverApp))
		w.golden("client-mended.json", w.App(clientApp))
		w.wantGrants(clientApp+": Mcp.Invoke", clientApp+": other.scope mcp.invoke (all users)")
	})
	inWorld(t, func(w *world) { // an app that has permissions, but not ours
		w.must("--apply")
		w.Edit(serverApp, `{
			"appRoles": [{"id": "00000000-0000-0000-0000-000000000001", "value": "Greeter", "displayName": "g", "description": "g", "allowedMemberTypes": ["User"], "isEnabled": true}],
			"api": {"oauth2PermissionScopes": [{"id": "00000000-0000-0000-0000-000000000003", "value": "greet", "type": "Admin", "adminConsentDisplayName": "a", "adminConsentDescription": "a", "isEnabled": true}]}}`)
		w.must("--apply", "--vscode")
		for _, value := range []string{"Greeter", "Mcp.Invoke", "greet", "mcp.invoke"} {
			if !strings.Contains(w.App(serverApp), `"value": "`+value+`"`) {
				t.Errorf("%s is not there:\n%s", value, w.App(serverApp))
			}
		}
	})
}

// TestFailuresAreGoneOnFrom lets each request of a registration fail in every
// way, then runs the command again: the outcome is the same as if nothing had
// happened.
func TestFailuresAreGoneOnFrom(t *testing.T) {
	args := []string{"--apply", "--vscode", "--delegated"}
	granted := []string{clientApp + ": Mcp.Invoke", clientApp + ": mcp.invoke (all users)"}
	var requests []string
	var server, client string
	inWorld(t, func(w *world) {
		w.must(args...)
		requests, server, client = w.Writes(), w.timeless(serverApp), w.timeless(clientApp)
	})
	if len(requests) < 10 {
		t.Fatalf("requests: %q", requests)
	}
	faults := map[string]graphtest.Fault{
		"refused":     {Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."},
		"down":        {Status: 503, Code: "ServiceUnavailable"},
		"answer lost": {Status: 504, Late: true, Times: 1},
		"throttled":   {Status: 429, RetryAfter: "7", Times: 2},
	}
	for i, request := range requests {
		secretLost := func(name string) bool { return name == "answer lost" && strings.HasSuffix(request, "addPassword") }
		for name, fault := range faults {
			method, path, _ := strings.Cut(request, " ")
			fault.Method, fault.Path = method, "^"+regexp.QuoteMeta(path)+"$"
			for _, earlier := range requests[:i] {
				if earlier == request {
					fault.Skip++
				}
			}
			t.Run(request+" "+name, func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.Fail(fault)
					switch name {
					case "refused":
						w.fails([]string{"403 Authorization_RequestDenied", "ReadWrite.All", "Cloud Application Administrator", "Not done:"}, args...)
					case "down":
						w.fails([]string{"503", "Run the same command again", "Not done:"}, args...)
					case "throttled":
						before := time.Now()
						w.must(args...)
						if waited := time.Since(before); waited < 14*time.Second {
							t.Errorf("went on after %s", waited)
						}
					case "answer lost":
						// Most requests can be sent again. Two fail, and are mended below.
						_, err := w.run(args...)
						mayFail := secretLost(name) || strings.HasSuffix(request, "/oauth2PermissionGrants")
						if (err != nil) != mayFail {
							t.Errorf("got %v", err)
						}
					}
					w.Heal()
					w.must(args...)
					if got := w.timeless(serverApp); got != server {
						t.Errorf("differs: %s", got)
					}
					if got := w.timeless(clientApp); got != client && !secretLost(name) {
						t.Errorf("differs: %s", got)
					}
					w.wantGrants(granted...)
					secrets := w.Secrets()
					if !strings.Contains(w.file(), "ENTRA_CLIENT_SECRET="+secrets[len(secrets)-1]+"\n") {
						t.Errorf("the file does not have the secret:\n%s", w.file())
					}
					// A secret whose answer was lost is nobody's, and ends by itself.
					if len(secrets) > 1 && !secretLost(name) {
						t.Errorf("%d secrets", len(secrets))
					}
				})
			})
		}
	}
}

// timeless is an application without the times in it.
func (w *world) timeless(app string) string {
	return regexp.MustCompile(`"\d{4}-[^"]+Z"`).ReplaceAllString(w.App(app), `"…"`)
}

func TestWaitsForEntra(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Lag = 40 * time.Second
		out := w.must("--apply", "--delegated")
		if !strings.Contains(out, "has not caught up yet; again in 8s") {
			t.Errorf("said nothing of it:\n%s", out)
		}
		if len(w.Secrets()) != 1 {
			t.Errorf("secrets: %d", len(w.Secrets()))
		}
		w.wantGrants(clientApp+": Mcp.Invoke", clientApp+": mcp.invoke (all users)")
	})
}

func TestWaitsNotForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Lag = time.Hour
		before := time.Now()
		w.fails([]string{"Entra has not caught up", "goes on where this one stopped", "Not done:"}, "--apply")
		if waited := time.Since(before); waited > 4*time.Minute {
			t.Errorf("waited %s", waited)
		}
		// The app is there, but is not seen yet: it is not made again.
		time.Sleep(time.Minute)
		w.fails([]string{"Entra has not caught up"}, "--apply")
		time.Sleep(w.Lag)
		w.Lag = 0
		w.must("--apply")
		if len(w.Secrets()) != 1 {
			t.Errorf("secrets: %d", len(w.Secrets()))
		}
		w.wantGrants(clientApp + ": Mcp.Invoke")
	})
}

func TestInterrupted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Lag = time.Hour
		ctx, cancel := context.WithCancel(w.Context())
		time.AfterFunc(10*time.Second, cancel)
		before := time.Now()
		err := w.command(io.Discard).run(ctx, []string{"--apply", "--env-file", w.env})
		if waited := time.Since(before); !errors.Is(err, context.Canceled) || waited != 10*time.Second {
			t.Errorf("got %v after %s", err, waited)
		}
	})
}

func TestEnvironmentFile(t *testing.T) {
	t.Run("a secret that is there is kept", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply")
			before := w.file()
			w.Writes()
			w.must("--apply", "--secret-days", "10")
			w.wantNoWrites()
			if w.file() != before {
				t.Errorf("the file is now\n%s", w.file())
			}
		})
	})
	t.Run("a new one on demand", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply")
			w.must("--apply", "--new-secret", "--secret-days", "10")
			w.wantSecret(1)
			if !strings.Contains(w.App(clientApp), time.Now().Add(10*24*time.Hour).UTC().Format(time.RFC3339)) {
				t.Errorf("no secret ends in 10 days: %s", w.App(clientApp))
			}
		})
	})
	t.Run("a new one where it is missing", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply")
			w.writeFile("")
			w.must("--apply")
			w.wantSecret(1)
		})
	})
	t.Run("a new one where it ended", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply", "--secret-days", "10")
			time.Sleep(11 * 24 * time.Hour)
			w.must("--apply")
			w.wantSecret(1)
		})
	})
	t.Run("none, if so wanted", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply", "--no-secret")
			w.Writes()
			w.must("--apply", "--no-secret")
			w.wantNoWrites()
			if len(w.Secrets()) > 0 || !strings.Contains(w.file(), "ENTRA_CLIENT_ID=aaaa") {
				t.Errorf("got %q", w.file())
			}
		})
	})
	t.Run("another identifier URI of the app is kept", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.must("--apply")
			w.Edit(serverApp, `{"identifierUris": ["https://contoso.example/mcp"]}`)
			w.writeFile(strings.Replace(w.file(), "SERVER_APP_ID_URI=", "SERVER_APP_ID_URI=https://contoso.example/mcp # ", 1))
			w.must("--apply")
			if !strings.Contains(w.file(), "SERVER_APP_ID_URI=https://contoso.example/mcp") {
				t.Errorf("got %q", w.file())
			}
		})
	})
	t.Run("what cannot be written costs no secret", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.env = filepath.Join(filepath.Dir(w.env), "missing", ".env")
			w.fails([]string{"cannot be written", "Not done:"}, "--apply")
			if len(w.Secrets()) > 0 {
				t.Error("a secret was made")
			}
		})
	})
}

// TestOtherAppsAreSafe: values of another app are overwritten by --force alone.
func TestOtherAppsAreSafe(t *testing.T) {
	const id = "00000000-0000-0000-0000-000000000009"
	for name, text := range map[string]string{
		"SERVER_APP_ID":       "SERVER_APP_ID=" + id + "\n",
		"SERVER_APP_ID_URI":   "SERVER_APP_ID_URI=api://" + id + "\n",
		"ENTRA_CLIENT_ID":     "ENTRA_CLIENT_ID=" + id + "\nENTRA_CLIENT_SECRET=hush-hush\n",
		"ENTRA_CLIENT_SECRET": "ENTRA_CLIENT_SECRET=hush-hush\n",
	} {
		for when, prepare := range map[string]func(*world){
			"before the apps are made": func(*world) {},
			"after":                    func(w *world) { w.must("--apply"); w.Writes() },
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				inWorld(t, func(w *world) {
					prepare(w)
					w.writeFile(text)
					made := len(w.Secrets())
					w.fails([]string{name, "--force"}, "--apply")
					w.fails([]string{name, "--force"})
					w.wantNoWrites()
					if w.file() != text {
						t.Errorf("the file is now\n%s", w.file())
					}
					w.must("--apply", "--force")
					w.wantSecret(made)
					if strings.Contains(w.file(), id) {
						t.Errorf("the file is now\n%s", w.file())
					}
				})
			})
		}
	}
}

// wantSecret: the i-th secret was made last, and is in the file.
func (w *world) wantSecret(i int) {
	w.Helper()
	secrets := w.Secrets()
	if len(secrets) != i+1 || !strings.Contains(w.file(), "ENTRA_CLIENT_SECRET="+secrets[i]+"\n") {
		w.Errorf("%d secrets were made; the file is\n%s", len(secrets), w.file())
	}
}

func TestMistakesAreExplained(t *testing.T) {
	const id = "00000000-0000-0000-0000-000000000009"
	for name, tt := range map[string]struct {
		prepare func(*world)
		args    []string
		want    []string
	}{
		"another tenant":     {args: []string{"--tenant", id}, want: []string{"signed in to tenant " + graphtest.TenantID, "az login --tenant " + id}},
		"a tenant in .env":   {prepare: func(w *world) { w.writeFile("ENTRA_TENANT_ID=" + id) }, want: []string{"az login --tenant " + id}},
		"no such identity":   {args: []string{"--grant", id}, want: []string{"no identity with the client id " + id, "az ad sp create --id " + id}},
		"sign-in ran out":    {prepare: failing("GET", "/organization", 401, "InvalidAuthenticationToken", ""), want: []string{"az login"}},
		"no right to read":   {prepare: failing("GET", "/applications", 403, "Authorization_RequestDenied", ""), want: []string{"Application.Read.All"}},
		"a proxy's answer":   {prepare: failing("GET", "/applications", 418, "", ""), want: []string{"cannot read the app registrations: Graph answers 418"}},
		"a name not free":    {prepare: func(w *world) { w.must("--apply"); w.writeFile(""); w.Delete(serverApp) }, args: []string{"--apply"}, want: []string{"Deleted applications", "--name"}},
		"no secrets allowed": {prepare: failing("POST", "addPassword", 400, "CredentialTypeNotAllowedAsPerAppPolicy", "m"), args: []string{"--apply"}, want: []string{"--no-secret"}},
		"too long a life":    {prepare: failing("POST", "addPassword", 400, "CredentialInvalidLifetimeAsPerAppPolicy", "m"), args: []string{"--apply"}, want: []string{"--secret-days"}},
		"a conflict":         {prepare: failing("PATCH", "/applications/", 409, "ConcurrencyViolation", "m"), args: []string{"--apply"}, want: []string{"Run the same command again"}},
		"no consent": {prepare: failing("POST", "appRoleAssignedTo", 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."), args: []string{"--apply"},
			want: []string{"AppRoleAssignment.ReadWrite.All", "Cloud Application Administrator", "grant role Mcp.Invoke to prynai-mcp-client", "(request request-of-the-test)"}},
		"a wrong name":   {args: []string{"--name", "It's mine"}, want: []string{"small letters"}},
		"a domain":       {args: []string{"--tenant", "contoso.com"}, want: []string{"az account show"}},
		"too many days":  {args: []string{"--secret-days", "1000"}, want: []string{"1 to 730"}},
		"both":           {args: []string{"--new-secret", "--no-secret"}, want: []string{"contradict"}},
		"no flag":        {args: []string{"apply"}, want: []string{`"apply" is no flag`}},
		"an unread file": {prepare: func(w *world) { w.writeFile("A='hush\n") }, want: []string{"cannot be read as a .env file"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				if tt.prepare != nil {
					tt.prepare(w)
				}
				w.fails(tt.want, tt.args...)
			})
		})
	}
}

func failing(method, path string, status int, code, message string) func(*world) {
	return func(w *world) {
		w.Fail(graphtest.Fault{Method: method, Path: path, Status: status, Code: code, Message: message})
	}
}

func TestNotSignedIn(t *testing.T) {
	inWorld(t, func(w *world) {
		c := w.command(io.Discard)
		c.credential = func(tenant string) (azcore.TokenCredential, error) {
			return adviser{staticCredential{errors.New("no Azure CLI")}, tenant}, nil
		}
		err := c.run(w.Context(), []string{"--env-file", w.env, "--tenant", graphtest.TenantID})
		for _, words := range []string{"not signed in", "az login --tenant " + graphtest.TenantID, "no Azure CLI"} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("does not say %q: %v", words, err)
			}
		}
	})
}
