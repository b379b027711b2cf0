package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/image"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/azure"
	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// release is a stack with the release logic on it, against the pretend Azure. What a revision is like is in the name
// of its build, since nothing runs here.
type release struct {
	*engine
	stack   auto.Stack
	azure   *azure.Cloud
	build   string // what the source is now
	proving func() // called before each proof
}

func newRelease(t *testing.T) *release {
	e := newEngine(t)
	r := &release{engine: e, build: "good-1", proving: func() {}}
	r.stack = e.stack(t, r.program().Deploy)
	r.forget(t)
	return r
}

// forget goes on as another process would, which knows nothing of what went before.
func (r *release) forget(t *testing.T) {
	r.azure = azure.New(r.stack, azure.Options{Program: r.program(), Out: t.Output()})
}

// program deploys an image that is named after the build and in the registry already.
func (r *release) program() stack.Program {
	return stack.Program{Getenv: noEnvironment, Image: func(_ *pulumi.Context, to image.Registry) (*image.Deployed, error) {
		return &image.Deployed{Ref: pulumi.Sprintf("%s/%s:%s", to.Server, image.Repository, r.build), Build: r.build}, nil
	}}
}

func (r *release) rollout(t *testing.T) *rollout.Rollout {
	return &rollout.Rollout{
		Cloud: r.azure, Prove: r.prove, Say: t.Logf,
		Limits: rollout.Limits{Ready: 3 * time.Second, Patience: time.Second, Settle: time.Second, Drain: 300 * time.Millisecond, Poll: 50 * time.Millisecond},
	}
}

func (r *release) deploy(ctx context.Context, t *testing.T, build string) error {
	r.build = build
	return r.rollout(t).Deploy(unread(ctx, marks, history))
}

// prove asks the pretend Azure which revision serves at an address.
func (r *release) prove(_ context.Context, url, build string) (string, error) {
	r.proving()
	revisions, err := r.cloud.Revisions("app")
	if err != nil {
		return "", err
	}
	for _, revision := range revisions {
		own := strings.Contains(url, "--") // as only names of revisions have it
		if own && url != "https://"+revision.FQDN+"/mcp" || !own && revision.Weight != 100 {
			continue
		}
		got := buildOf(revision.Template)
		switch {
		case build != "" && got != build:
			return got, rollout.ErrOtherBuild
		case strings.HasPrefix(got, "wrong"), strings.HasPrefix(got, "stable-wrong") && !own:
			return got, errors.New("add: got 16")
		}
		return got, nil
	}
	return "", errors.New("nothing answers")
}

func buildOf(template map[string]any) string {
	containers, _ := template["containers"].([]any)
	container, _ := containers[0].(map[string]any)
	_, build, _ := strings.Cut(container["image"].(string), image.Repository+":")
	return build
}

// state lists the revisions by their builds, as in the tests of package rollout.
func (r *release) state(t *testing.T) string {
	t.Helper()
	revisions, err := r.cloud.Revisions("app")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, revision := range revisions {
		build := buildOf(revision.Template)
		switch {
		case revision.Weight > 0:
			build = fmt.Sprintf("%s:%d", build, revision.Weight)
		case !revision.Active:
			build = "(" + build + ")"
		}
		all = append(all, build)
	}
	return strings.Join(all, " ")
}

func (r *release) want(t *testing.T, state string) {
	t.Helper()
	if got := r.state(t); got != state {
		t.Errorf("there is %s, want %s", got, state)
	}
}

// TestRelease takes one app from its first release through good and bad ones, and back.
func TestRelease(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	ctx := t.Context()
	if err := r.deploy(ctx, t, "good-1"); err != nil {
		t.Fatal(err)
	}
	r.want(t, "good-1:100")
	r.step(t, "first release")

	if err := r.deploy(ctx, t, "good-2"); err != nil {
		t.Fatal(err)
	}
	r.want(t, "(good-1) good-2:100")
	r.step(t, "second release")

	for _, bad := range []string{"wrong-3", "stable-wrong-4"} {
		if err := r.deploy(ctx, t, bad); err == nil || !strings.Contains(err.Error(), "add: got 16") {
			t.Errorf("%s: %v", bad, err)
		}
		r.step(t, "release of "+bad+" taken back")
	}
	r.want(t, "(good-1) good-2:100 (wrong-3) (stable-wrong-4)")

	r.forget(t)
	if err := r.rollout(t).Rollback(unread(ctx, marks, history)); err != nil {
		t.Fatal(err)
	}
	r.want(t, "good-1:100 (good-2) (wrong-3) (stable-wrong-4)")
	r.step(t, "rollback")

	// A plain up of the same source carries on with what the release recorded.
	r.stack.Workspace().SetProgram(r.program().Deploy)
	r.build = "stable-wrong-4" // the last template
	r.unchanged(t, r.stack)
	r.build = "good-5"
	up, err := r.stack.Up(unread(ctx, outputs, history))
	if err != nil || !strings.Contains(up.StdOut, "go tool task deploy") {
		t.Errorf("a plain up: %v\n%s", err, up.StdOut)
	}
	r.want(t, "good-1:100 (good-2) (wrong-3) (stable-wrong-4) good-5")
	r.step(t, "plain up: staged only")

	r.forget(t)
	if err := r.deploy(ctx, t, "good-5"); err != nil {
		t.Fatal(err)
	}
	r.want(t, "(good-1) (good-2) (wrong-3) (stable-wrong-4) good-5:100")
	r.noSecrets(t)
	r.step(t, "release of what was staged")
}

// TestReleaseFailures lets Azure refuse, or fail after it began, whatever a release asks of it. The traffic stays where
// it was, a plain up leaves it there too, and the next release holds.
func TestReleaseFailures(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	ctx := t.Context()
	r.mustUp(t, r.stack)
	r.step(t, "plain up: Azure itself moves the traffic")
	for n, test := range []struct {
		what  string
		late  bool
		state string // afterwards
	}{
		{"pin", false, "good-1:100"},
		{"pin", true, "good-1:100"},
		{"", false, "(good-1) good-4:100"},
		{"stage", false, "(good-1) good-4:100"},
		{"stage", true, "(good-1) good-4:100 good-6"},
		{"move", false, "(good-1) good-4:100 good-6 (good-7)"},
		{"move", true, "(good-1) good-4:100 good-6 (good-7) (good-8)"},
		{"", false, "(good-1) (good-4) (good-6) (good-7) (good-8) good-9:100"},
	} {
		fail := func() {
			r.cloud.Fail(standin.Update, "app", standin.Failure{Err: errors.New("failed to provision the revision"), Late: test.late})
		}
		switch test.what {
		case "pin", "stage": // what is asked first
			fail()
		case "move":
			r.proving = func() { fail(); r.proving = func() {} }
		}
		name := fmt.Sprintf("%s fails, late: %v", test.what, test.late)
		if test.what == "" {
			name = "nothing fails"
			r.forget(t)
		}
		err := r.deploy(ctx, t, fmt.Sprintf("good-%d", n+2))
		if told := err != nil && strings.Contains(err.Error(), "failed to provision") && strings.Contains(err.Error(), "with revision "); told != (test.what != "") {
			t.Errorf("%s: got %v", name, err)
		}
		r.want(t, test.state)
		outputs, err := r.stack.Outputs(unread(ctx, marks))
		if err != nil || test.what != "pin" && outputs["live"].Value == "" {
			t.Errorf("%s: the stack forgot what is live: %v, %v", name, outputs["live"].Value, err)
		}
		r.step(t, name)
	}
}
