package load

import (
	"cmp"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// Era is one of the protocol's two ways.
type Era string

// The eras, and the revision of each that is spoken.
const (
	Sessions  Era = "sessions"
	Stateless Era = "stateless"

	sessionVersion   = "2025-11-25"
	statelessVersion = "2026-07-28"
)

// Operation is what is made, checked and timed as one.
type Operation string

// The operations.
const (
	Initialize Operation = "initialize" // opens a session (and ends it, untimed); server/discover in the stateless era
	List       Operation = "list"       // lists the tools
	Call       Operation = "call"       // calls a tool
	Progress   Operation = "progress"   // calls a tool that reports its progress, and reads the stream
	Resume     Operation = "resume"     // the same, but the stream is cut and resumed at the next address
	Mirror     Operation = "mirror"     // sends the POST of a call to a server that answers with the same bytes
)

var operations = []Operation{Initialize, List, Call, Progress, Resume, Mirror}

// Tool is a tool to call.
type Tool struct {
	Name      string
	Arguments json.RawMessage
}

// The tools of this project's server: sums whose terms vary and whose results
// are checked, and a task of ten reports.
const (
	sumTool   = "add"
	stepsTool = "long_task"
	stepCount = 10
)

// Plan is what to do to whom.
type Plan struct {
	URLs        []*url.URL // of MCP endpoints
	AllowRemote bool       // addresses that are not on loopback, too
	Roots       *x509.CertPool

	Era         Era
	Mix         Mix
	Rate        float64       // of the open model; 0 is the closed one
	Concurrency int           // clients of the closed model; the most operations under way in the open one
	Duration    time.Duration // measured
	Warmup      time.Duration // before that
	Timeout     time.Duration // of one operation
	Count       int64         // of operations at the most, the warm-up's included; 0: as many as come up
	Sessions    int
	Streams     int     // idle GET streams, one each of the first sessions
	Cut         float64 // share of progress operations that are left after their first event

	Call, Progress Tool // of another server's; zero: of this project's
	Principals     []*Principal
	Processes      []int // of the server, to count their CPU time
}

// Check reports everything that is wrong with a plan.
func (p Plan) Check() error {
	var problems []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	want(len(p.URLs) > 0, "--url is missing: the address of an MCP endpoint, such as http://127.0.0.1:8000/mcp")
	for _, u := range p.URLs {
		want(p.checkURL(u) == nil, "--url %s: %w", u.Redacted(), p.checkURL(u))
	}
	want(p.Era == Sessions || p.Era == Stateless, "--era is %q, want %s or %s", p.Era, Sessions, Stateless)
	want(len(p.Mix) > 0, "--mix is empty, want for example call=9,list=1")
	want(p.Era != Stateless || p.Mix[Resume] == 0, "--mix: resume needs --era sessions: the stateless era has no streams to resume")
	want(p.Era != Stateless || p.Streams == 0, "--streams needs --era sessions: the stateless era has no GET streams")
	want(p.Rate >= 0 && p.Rate <= 100_000, "--rate is %g, want from 0 (the closed model) to 100000 a second", p.Rate)
	want(p.Concurrency > 0 && p.Concurrency <= 10_000, "--concurrency is %d, want from 1 to 10000", p.Concurrency)
	want(p.Duration > 0 && p.Duration <= time.Hour, "--duration is %s, want up to 1h", p.Duration)
	want(p.Warmup >= 0 && p.Warmup <= time.Hour, "--warmup is %s, want from 0s to 1h", p.Warmup)
	want(p.Timeout > 0 && p.Timeout <= 10*time.Minute, "--request-timeout is %s, want up to 10m", p.Timeout)
	want(p.Count >= 0, "--count is %d, want 0 (no limit but time) or more", p.Count)
	want(p.Sessions > 0 && p.Sessions <= 100_000, "--sessions is %d, want from 1 to 100000", p.Sessions)
	want(p.Streams >= 0 && p.Streams <= p.Sessions, "--streams is %d, want from 0 to the number of --sessions, %d: a session has one", p.Streams, p.Sessions)
	want(p.Cut >= 0 && p.Cut <= 1, "--cut is %g, want a share from 0 to 1", p.Cut)
	return errors.Join(problems...)
}

func (p Plan) checkURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want an http or https address")
	case u.User != nil:
		return errors.New("carries a user name or password; the address must have neither")
	case onLoopback(u):
		return nil
	case !p.AllowRemote:
		return errors.New("is not this machine. To put load on a server that others use is an outage, and on one that is not yours an attack: --allow-remote says that you may")
	case u.Scheme == "http" && len(p.Principals) > 0:
		return errors.New("plain http would show the tokens to the network; want https")
	}
	return nil
}

func onLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (p Plan) transport() *http.Transport {
	t := wire.NewTransport(p.Roots)
	t.MaxIdleConnsPerHost = p.Concurrency + p.Streams
	t.DisableCompression = true // which would cost the client more than the server
	return t
}

func (p Plan) url(i int) *url.URL { return p.URLs[i%len(p.URLs)] }

func (p Plan) principal(i int) *Principal {
	if len(p.Principals) == 0 {
		return nil
	}
	return p.Principals[i%len(p.Principals)]
}

// mirrorsOnly: then there is no MCP server, and no session to be had.
func (p Plan) mirrorsOnly() bool { return len(p.Mix) == 1 && p.Mix[Mirror] > 0 }

func (p Plan) processes() processes { return p.Processes }

// Mix is the weight of each operation.
type Mix map[Operation]int

// ParseMix reads "call=9,list=1"; a weight that is left out is 1.
func ParseMix(text string) (Mix, error) {
	const heaviest = 1000
	mix := Mix{}
	for part := range strings.SplitSeq(text, ",") {
		name, weight, given := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(weight)
		if !given {
			n, err = 1, nil
		}
		switch {
		case !slices.Contains(operations, Operation(name)):
			return nil, fmt.Errorf("%q is no operation; there are %v", name, operations)
		case err != nil || n < 1 || n > heaviest:
			return nil, fmt.Errorf("the weight of %s is %q, want a number from 1 to %d", name, weight, heaviest)
		}
		mix[Operation(name)] += n
	}
	return mix, nil
}

// String is what ParseMix reads.
func (m Mix) String() string {
	var parts []string
	for _, operation := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s=%d", operation, m[operation]))
	}
	return strings.Join(parts, ", ")
}

// table holds each operation as often as it weighs, in an order that is
// irregular and always the same.
func (m Mix) table() []Operation {
	var table []Operation
	for _, operation := range slices.Sorted(maps.Keys(m)) {
		table = append(table, slices.Repeat([]Operation{operation}, m[operation])...)
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // nothing depends on its being unknown
	random.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	return table
}

// tool is the name of the tool that an operation calls, and its arguments.
func (p Plan) tool(operation Operation, n int64) (name string, arguments []byte) {
	if operation == Progress || operation == Resume {
		if p.Progress.Name == "" {
			return stepsTool, fmt.Appendf(nil, `{"steps":%d}`, stepCount)
		}
		return p.Progress.Name, p.Progress.arguments()
	}
	if p.Call.Name == "" {
		a, b := terms(n)
		arguments = append(arguments, `{"a":`...)
		arguments = strconv.AppendInt(arguments, a, 10)
		arguments = append(arguments, `,"b":`...)
		arguments = strconv.AppendInt(arguments, b, 10)
		return sumTool, append(arguments, '}')
	}
	return p.Call.Name, p.Call.arguments()
}

func (t Tool) arguments() []byte { return []byte(cmp.Or(string(t.Arguments), "{}")) }

// terms are what operation n adds.
func terms(n int64) (a, b int64) { return n, int64(scatter(n) % 1_000_000) }

// scatter is a number that looks random, always the same for n (SplitMix64).
func scatter(n int64) uint64 {
	z := uint64(n) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
