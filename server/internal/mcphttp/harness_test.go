package mcphttp

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"go.uber.org/goleak"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a Timing in which tests need not wait long.
var quick = Timing{
	Promote:   150 * time.Millisecond,
	Heartbeat: 100 * time.Millisecond,
	Limit:     time.Minute,
	Write:     time.Second,
	Answer:    20 * time.Second,
	Store:     5 * time.Second,
}

// options are what the replicas of a test have in common.
type options struct {
	timing Timing
	limits session.Limits
	open   int                  // OpenLimit
	redis  func() *redis.Client // an embedded one's where nil
}

// deployment is several replicas that share one Redis. A client of it takes
// turns among them, as behind a balancer that is not sticky.
type deployment struct {
	t        *testing.T
	replicas []*testReplica
	fixture  *fixture
	turn     int
}

type testReplica struct {
	*Handler
	url    string
	redis  *redis.Client
	server *httptest.Server
	stop   func() // ends the replica's part in the deployment, without a drain
}

// principalHeader stands for authentication.
const principalHeader = "Test-Principal"

type principalKey struct{}

func deploy(t *testing.T, replicas int, o options) *deployment {
	t.Helper()
	if o.redis == nil {
		embedded := redis.NewEmbedded()
		t.Cleanup(embedded.Close)
		o.redis = embedded.Client
	}
	if o.timing == (Timing{}) {
		o.timing = quick
	}
	d := &deployment{t: t, fixture: newFixture()}
	for range replicas {
		d.start(o)
	}
	return d
}

func (d *deployment) start(o options) *testReplica {
	d.t.Helper()
	client := o.redis()
	d.t.Cleanup(client.Close)
	eventually(d.t, "contact with Redis", func() bool { return client.Health() == nil })
	log := slog.New(slog.NewTextHandler(d.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	store := session.Open(session.Options{Client: client, Logger: log, Idle: 30 * time.Minute, Limits: o.limits})
	engine := server.NewMCPServer("fixture", "test", server.WithToolCapabilities(true),
		server.WithResourceCapabilities(true, true), server.WithPromptCapabilities(true), server.WithLogging(), server.WithRecovery())
	h := New(Options{Server: engine, Sessions: store, Logger: log, Timing: o.timing, OpenLimit: o.open, Computes: computes,
		Principal: func(ctx context.Context) string {
			name, _ := ctx.Value(principalKey{}).(string)
			return name
		}})
	d.fixture.register(engine, h)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); store.Run(ctx, h) }()
	r := &testReplica{Handler: h, redis: client, server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		h.ServeHTTP(w, rq.WithContext(context.WithValue(rq.Context(), principalKey{}, rq.Header.Get(principalHeader))))
	}))}
	r.url = r.server.URL + "/mcp"
	r.stop = func() { cancel(); <-done }
	d.t.Cleanup(func() {
		h.EndStreams()
		h.calls.cancelAll(errCancelled)
		r.server.CloseClientConnections()
		r.server.Close()
		h.Finish(context.Background())
		r.stop()
	})
	d.replicas = append(d.replicas, r)
	return r
}

// next is the replica whose turn it is.
func (d *deployment) next() *testReplica {
	d.turn++
	return d.replicas[d.turn%len(d.replicas)]
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

// client speaks raw HTTP, each request to the next replica.
type client struct {
	*deployment
	session, version, principal string
}

// initialize makes a session.
func (d *deployment) initialize(version string) *client {
	d.t.Helper()
	c := &client{deployment: d}
	a := c.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + version +
		`","capabilities":{"sampling":{},"elicitation":{},"roots":{}},"clientInfo":{"name":"test","version":"1"}}}`).all()
	c.session, c.version = a.header.Get("Mcp-Session-Id"), version
	if a.status != http.StatusOK || c.session == "" {
		d.t.Fatalf("initialize: %d %s", a.status, a.text)
	}
	return c
}

func (c *client) request(method, url, body string, headers ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if method == http.MethodPost {
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{
		"Mcp-Session-Id": c.session, "Mcp-Protocol-Version": c.version, principalHeader: c.principal,
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	return r
}

// send sends a request to the next replica.
func (c *client) send(method, body string, headers ...string) *answer {
	c.t.Helper()
	return c.sendTo(c.next(), method, body, headers...)
}

func (c *client) sendTo(r *testReplica, method, body string, headers ...string) *answer {
	c.t.Helper()
	return receive(c.t, c.request(method, r.url, body, headers...), r)
}

func (c *client) post(body string, headers ...string) *answer {
	c.t.Helper()
	return c.send(http.MethodPost, body, headers...)
}

// get opens a GET stream, or resumes one when there is a cursor.
func (c *client) get(cursor string) *answer {
	c.t.Helper()
	return c.send(http.MethodGet, "", mcp.HeaderLastEventID, cursor)
}

// call calls a tool of the fixture; id and arguments are JSON.
func (c *client) call(id, tool, arguments string) *answer {
	c.t.Helper()
	return c.post(toolCall(id, tool, arguments))
}

func toolCall(id, tool, arguments string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + arguments + `}}`
}

// cancel takes a request back.
func (c *client) cancel(id string) {
	c.t.Helper()
	c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`).wantStatus(http.StatusAccepted)
}
