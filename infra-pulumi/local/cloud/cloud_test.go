package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// The test binary is the server too, which says its name.
func TestMain(m *testing.M) {
	if name := os.Getenv("SAY"); name != "" {
		err := http.ListenAndServe(os.Getenv("LISTEN_ADDR"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, name) // whoever asks sees what is missing
		}))
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fixture is a cloud with an ingress in front of it.
type fixture struct {
	*Cloud
	t      *testing.T
	client *http.Client
	next   string // the version to be released; empty: it does not compile
}

func newFixture(t *testing.T) *fixture {
	balancer := ingress.New(time.Minute)
	front := httptest.NewTLSServer(balancer)
	t.Cleanup(front.Close)
	f := &fixture{t: t, client: front.Client()}
	config := &tls.Config{Certificates: front.TLS.Certificates, MinVersion: tls.VersionTLS12}
	f.Cloud = New(Options{URL: front.URL + endpoint, Ingress: balancer, TLS: config, Version: func(context.Context) (*Version, error) {
		if f.next == "" {
			return nil, errors.New("it does not compile")
		}
		return &Version{Image: f.next, Build: f.next, Port: 8000, Replicas: replica.Config{
			Revision: "app--" + f.next, Replicas: 2, Executable: os.Args[0], Grace: time.Second,
			Environment: map[string]string{"SAY": f.next, "LISTEN_ADDR": "0.0.0.0:8000"},
		}}, nil
	}})
	t.Cleanup(f.Stop)
	return f
}

func (f *fixture) stage(version, live string) {
	f.t.Helper()
	f.next = version
	staged, err := f.Stage(f.t.Context(), rollout.Record{Live: live})
	if want := (rollout.Staged{Revision: "app--" + version, Build: version}); err != nil || staged != want {
		f.t.Fatalf("staged %+v, %v", staged, err)
	}
}

// want checks the revisions, those with traffic marked, those that do not run
// in brackets, and that all that run say their names, and clients get the
// marked one's.
func (f *fixture) want(revisions string) {
	f.t.Helper()
	status, err := f.Status(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, r := range status.Revisions {
		name := strings.TrimPrefix(r.Name, "app--")
		if r.Active {
			f.says(r.URL, name)
		}
		switch {
		case r.Weight == 100:
			f.says(status.URL, name)
			name += "*"
		case !r.Active:
			name = "(" + name + ")"
		}
		got = append(got, name)
	}
	if got := strings.Join(got, " "); got != revisions {
		f.t.Errorf("there is %s, want %s", got, revisions)
	}
}

// says waits until a name is said at an address.
func (f *fixture) says(url, name string) {
	f.t.Helper()
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := f.client.Get(url)
		if err != nil {
			f.t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if got = string(body); err == nil && got == name {
			return
		}
	}
	f.t.Errorf("%s says %q, want %q", url, got, name)
}

func TestCloud(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	if status, err := f.Status(ctx); err != nil || len(status.Revisions) > 0 {
		t.Errorf("at first: %+v, %v", status, err)
	}
	f.stage("a", "")
	f.want("a*")
	f.stage("b", "app--a")
	f.want("a* b")
	f.stage("b", "app--a") // again
	f.want("a* b")
	f.next = ""
	if _, err := f.Stage(ctx, rollout.Record{Live: "app--a"}); err == nil {
		t.Error("what does not compile is staged")
	}
	moved := rollout.Record{Live: "app--b", Previous: "app--a"}
	if err := f.Move(ctx, moved); err != nil {
		t.Fatal(err)
	}
	f.want("a b*")
	if status, err := f.Status(ctx); err != nil || status.Record != moved {
		t.Errorf("the record is %+v, %v", status.Record, err)
	}
	for range 2 {
		if err := f.Deactivate(ctx, "app--a"); err != nil {
			t.Error(err)
		}
		f.want("(a) b*")
	}
	for what, err := range map[string]error{
		"ends what has the traffic":  f.Deactivate(ctx, "app--b"),
		"moves to what does not run": f.Move(ctx, rollout.Record{Live: "app--a"}),
		"moves to what there is not": f.Move(ctx, rollout.Record{Live: "app--c"}),
		"starts what there is not":   f.Activate(ctx, "app--c"),
		"ends what there is not":     f.Deactivate(ctx, "app--c"),
	} {
		if err == nil {
			t.Error("it " + what)
		}
	}
	for range 2 {
		if err := f.Activate(ctx, "app--a"); err != nil {
			t.Error(err)
		}
		f.want("a b*")
	}
	f.Stop()
	status, err := f.Status(ctx)
	for _, r := range status.Revisions {
		if r.Active || err != nil {
			t.Errorf("%s still runs, %v", r.Name, err)
		}
	}
}
