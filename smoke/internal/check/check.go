// Package check proves a running server: it walks through everything a client
// uses and says for each step whether it held.
//
// There are two lists of steps, each in the order in which it runs: what a
// release has to show ([Suite.Prove]), and what a person goes through whose
// setup does not work ([Suite.Examine]). A step whose groundwork failed is
// skipped, all others run, so that one report shows all there is to fix.
//
// Trust boundary: what the server says ends up in results. It is cut to size
// where it enters, and a [Suite.Redact] function takes secrets out, should the
// far side echo one.
package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/diagnose"
	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// Status is how a step went.
type Status string

// The ways a step can go.
const (
	OK      Status = "ok"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Result is one step's outcome.
type Result struct {
	Name     string
	Status   Status
	Duration time.Duration
	Detail   string   // what held, or why the step was skipped
	Failure  *Failure // set when Status is Failed
}

// Failure explains a step that did not hold.
type Failure struct {
	Expected string `json:"expected"`
	Got      string `json:"got"`
	Cause    string `json:"cause"`
}

// Held tells whether every step did.
func Held(results []Result) bool {
	return len(results) > 0 && !slices.ContainsFunc(results, func(r Result) bool { return r.Status != OK })
}

// stepTimeout bounds each step, beside the limit that the run has as a whole.
const stepTimeout = 15 * time.Second

// Suite is one run against one server.
type Suite struct {
	Settings    settings.Settings
	Transport   http.RoundTripper
	ExpectBuild string // the serverInfo.version that must answer, or ""

	// Announce receives the lines that people and scripts look for: the
	// tools, the sum, the status.
	Announce func(line string)

	// What earlier steps leave for later ones.
	token    entra.Token
	metadata metadata
	plain    *connection
	build    string
}

// step is one thing to prove.
type step struct {
	name   string
	needs  string // the step that this one stands on, or ""
	expect string // in words, for whoever reads the failure
	run    func(context.Context) (detail string, err error)
}

// Prove checks everything that a server of this kind offers, and calls done
// after each step.
func (s *Suite) Prove(ctx context.Context, done func(Result)) {
	s.run(ctx, done, []step{
		{"health", "", `200 {"status":"ok","redis":true} from /healthz`, s.health},
		{"ready", "", "200 from /readyz", s.ready},
		{"token", "", "an access token from Entra", s.fetchToken},
		{"session", "token", "an MCP session in protocol version " + sessionEra, s.openSession},
		{"build", "session", "the revision that this run is about", s.checkBuild},
		{"tools", "session", "the server's tools", s.tools},
		{"add", "session", "add(7, 8) = 15", s.add},
		{"status", "session", "the resource prynai://status with the text ok", s.status},
		{"progress", "session", "each step of long_task reported in order, on the stream of the call", s.progress},
		{"log", "session", `the log message "echo called: ..." on the stream of the call`, s.log},
		{"counter", "session", "a counter one higher, and a resource that agrees", s.counter},
		{"prompt", "session", "the prompt quick_summary with title and tone filled in", s.prompt},
		{"completion", "session", "formal and informal offered for the prompt's tone", s.completion},
		{"sampling", "session", "the server to ask this client's model, and to use its answer", s.sampling},
		{"subscription", "session", "an update of prynai://counter on the session's GET stream", s.subscription},
		{"end", "session", "DELETE to end the session, and 404 for it from then on", s.endSession},
		{"stateless", "token", "an answer in protocol version " + statelessEra + ", without a session", s.stateless},
	})
}

// Examine goes the way of a request from the outside in, and calls done after
// each step.
func (s *Suite) Examine(ctx context.Context, done func(Result)) {
	s.run(ctx, done, []step{
		{"DNS", "", "an address for the server's name", s.lookup},
		{"TLS", "DNS", "a connection, with a certificate that this machine trusts", s.handshake},
		{"health", "TLS", `200 {"status":"ok","redis":true} from /healthz`, s.health},
		{"readiness", "TLS", "200 from /readyz", s.ready},
		{"metadata", "TLS", "the resource metadata that OAuth clients start from", s.readMetadata},
		{"token", "", "an access token from Entra", s.fetchToken},
		{"claims", "token", "a token that this server accepts", s.compareClaims},
		{"session", "token", "an MCP session in protocol version " + sessionEra, s.openSession},
		{"tool call", "session", "add(7, 8) = 15", s.add},
		{"stream", "session", "progress that arrives while the tool is at work", s.liveStream},
		{"updates", "session", "an update of prynai://counter on the session's GET stream", s.subscription},
	})
}

func (s *Suite) run(ctx context.Context, done func(Result), steps []step) {
	defer func() {
		if s.plain != nil {
			s.plain.end(ctx)
		}
	}()
	held := map[string]bool{"": true}
	for _, step := range steps {
		r := s.take(ctx, step, held[step.needs])
		held[step.name] = r.Status == OK
		done(r)
	}
}

func (s *Suite) take(ctx context.Context, step step, grounded bool) Result {
	r := Result{Name: step.name, Status: Skipped}
	switch {
	case !grounded:
		r.Detail = "needs " + step.needs
		return r
	case ctx.Err() != nil:
		r.Detail = "the time for the whole run was over"
		if errors.Is(ctx.Err(), context.Canceled) {
			r.Detail = "interrupted"
		}
		return r
	}
	stepCtx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	start := time.Now()
	detail, err := step.run(stepCtx)
	r.Duration = time.Since(start)
	if err == nil {
		r.Status, r.Detail = OK, s.Redact(detail)
		return r
	}
	r.Status = Failed
	r.Failure = &Failure{Expected: step.expect, Got: s.Redact(words(err)), Cause: s.Redact(diagnose.Cause(err, s.facts()))}
	var m *mismatch
	if errors.As(err, &m) {
		if m.expected != "" {
			r.Failure.Expected = m.expected
		}
		if m.cause != "" {
			r.Failure.Cause = m.cause
		}
	}
	if stepCtx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		r.Failure.Got = fmt.Sprintf("nothing within %s (%s)", r.Duration.Round(time.Millisecond), r.Failure.Got)
	}
	return r
}

// Redact takes the run's secrets out of text that others wrote.
func (s *Suite) Redact(text string) string {
	return settings.Redact(text, s.Settings.ClientSecret, s.token.Raw)
}

func (s *Suite) facts() diagnose.Facts {
	return diagnose.Facts{Settings: s.Settings, Claims: s.token.Claims}
}

// Build is the revision that answered, or "".
func (s *Suite) Build() string { return s.build }

// words is an error's text without what the layers of the MCP library put in
// front of it.
func words(err error) string {
	text := err.Error()
	var (
		sending *url.Error
		refusal *wire.Refusal
	)
	if errors.As(err, &sending) && errors.As(err, &refusal) {
		text = strings.Replace(text, sending.Error(), refusal.Error(), 1)
	}
	return strings.NewReplacer("transport error: ", "", "failed to send request: ", "").Replace(text)
}

// mismatch is an answer that arrived and is not what it should be.
type mismatch struct {
	expected string // "" keeps the step's own words
	got      string
	cause    string
}

func (m *mismatch) Error() string { return m.got }
