package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/config"
)

// Replicas within the test's process, with authentication: for what must be
// seen from both sides.

// local is such a replica, as a client meets it.
type local struct {
	url     string
	log     *syncBuffer
	service *service
	handler http.Handler
	sent    *secrets // tokens, which the log must not show
}

// syncBuffer is where a replica's log goes.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// protected is the environment of a replica that asks for tokens of a tenant.
func protected(entra *entratest.Entra) map[string]string {
	o := entra.Options()
	return map[string]string{
		"AUTH_REQUIRED":   "true",
		"ENTRA_AUTHORITY": o.Authority,
		"ENTRA_TENANT_ID": o.Tenant,
		"ENTRA_AUDIENCES": o.ServerAppID + "," + o.ServerAppIDURI,
	}
}

// startLocal starts a replica that lives until the test ends.
func startLocal(t testing.TB, served mcpSurface, environment map[string]string, changes ...string) *local {
	t.Helper()
	environment = maps.Clone(environment)
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environment[name] = value
	}
	c, err := config.Load(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	l := &local{log: &syncBuffer{}, sent: &secrets{}}
	s := newService(c, l.log, served)
	l.service = s
	handler, err := s.routes()
	if err != nil {
		t.Fatal(err)
	}
	l.handler = handler
	server := httptest.NewServer(handler)
	stop := s.background(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		s.mcp.EndStreams()
		server.CloseClientConnections()
		server.Close()
		stop()
		s.close()
		if found := l.sent.shown(l.log.String()); found != "" {
			t.Errorf("the log shows %q:\n%s", found, l.log)
		}
	})
	l.url = server.URL
	eventually(t, "the replica is ready", func() bool { return l.do(t, request{method: "GET", path: "/readyz"}).status == http.StatusOK })
	return l
}

// eventually waits for a condition that must come true.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// request is what a client sends. The zero value is a POST to /mcp.
type request struct {
	method, path string
	token        string
	session      string
	version      string // of the protocol
	body         string
	header       map[string]string
}

type response struct {
	status int
	header http.Header
	body   string
}

func (r response) String() string { return http.StatusText(r.status) + " " + r.body }

// do sends a request and reads the whole answer.
func (l *local) do(t testing.TB, r request) response {
	t.Helper()
	got := l.open(t.Context(), t, r)
	text, err := io.ReadAll(got.Body)
	if err := errors.Join(err, got.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response{got.StatusCode, got.Header, string(text)}
}

// open sends a request. Its answer is to be closed.
func (l *local) open(ctx context.Context, t testing.TB, r request) *http.Response {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.path == "" {
		r.path = "/mcp"
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, l.url+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.token != "" {
		l.sent.add(r.token)
	}
	for name, value := range map[string]string{
		"Authorization":           "Bearer " + r.token,
		"Mcp-Session-Id":          r.session,
		mcp.HeaderProtocolVersion: r.version,
	} {
		if strings.TrimPrefix(value, "Bearer ") != "" {
			sent.Header.Set(name, value)
		}
	}
	if r.method == http.MethodPost {
		sent.Header.Set("Content-Type", "application/json")
		sent.Header.Set("Accept", "application/json, text/event-stream")
	} else {
		sent.Header.Set("Accept", "text/event-stream")
	}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		sent.Header.Set(name, r.header[name])
	}
	if host := r.header["Host"]; host != "" {
		sent.Host = host
	}
	got, err := http.DefaultClient.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// initialize makes a session of a revision.
func (l *local) initialize(t testing.TB, token, version string) (session string) {
	t.Helper()
	got := l.do(t, request{token: token, body: `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + version +
		`","capabilities":{"sampling":{},"elicitation":{},"roots":{}},"clientInfo":{"name":"test","version":"1"}}}`})
	session = got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || session == "" {
		t.Fatalf("initialize: %v", got)
	}
	return session
}

// stateless is a request of the revision without sessions.
func stateless(token, method, name, params string) request {
	const version = mcp.ProtocolVersion20260728
	meta := `"_meta":{"` + mcp.MetaKeyProtocolVersion + `":"` + version + `","` + mcp.MetaKeyClientInfo + `":{"name":"test","version":"1"},"` +
		mcp.MetaKeyClientCapabilities + `":{"sampling":{},"elicitation":{}}}`
	if params != "" {
		meta += ","
	}
	r := request{token: token, version: version, header: map[string]string{"Mcp-Method": method},
		body: `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{` + meta + params + `}}`}
	if name != "" {
		r.header["Mcp-Name"] = name
	}
	return r
}
