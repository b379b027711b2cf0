package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// replica is a process of its own that serves a surface.
type replica struct {
	Address string

	process *exec.Cmd
	ended   chan struct{}
	log     *replicaLog
}

// startReplica starts a replica that lives until the test ends. The
// environment is the whole one of the server, but for the address.
func startReplica(t testing.TB, surface string, environment ...string) *replica {
	t.Helper()
	r := &replica{
		process: exec.CommandContext(t.Context(), os.Args[0]), // killed when the test's context ends
		ended:   make(chan struct{}),
		log:     &replicaLog{listening: make(chan string, 1)},
	}
	r.process.Env = append(baseEnvironment(), asReplica+"="+surface,
		"LISTEN_ADDR=127.0.0.1:0", "AUTH_REQUIRED=false")
	r.process.Env = append(r.process.Env, environment...)
	r.process.Stdout, r.process.Stderr = r.log, r.log
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.process.Wait() // killed: the error says no more
		close(r.ended)
	}()
	t.Cleanup(func() {
		<-r.ended
		if log := r.log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
			t.Error("the replica has a race or a panic")
		}
		if t.Failed() {
			t.Logf("log of the replica at %s:\n%s", r.Address, r.log)
		}
	})
	select {
	case r.Address = <-r.log.listening:
	case <-r.ended:
		t.Fatalf("the replica ended:\n%s", r.log)
	case <-time.After(30 * time.Second):
		t.Fatalf("the replica does not listen:\n%s", r.log)
	}
	for deadline := time.Now().Add(30 * time.Second); !r.ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the replica does not get ready:\n%s", r.log)
		}
	}
	return r
}

// ready is what a balancer asks before it hands requests to a replica.
func (r *replica) ready() bool {
	response, err := http.Get("http://" + r.Address + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status counts
	return response.StatusCode == http.StatusOK
}

// kill ends the replica at once.
func (r *replica) kill() {
	_ = r.process.Process.Kill() // it may have ended already
	<-r.ended
}

func (r *replica) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// baseEnvironment is what a process needs that has nothing to do with the
// server, so that the developer's own configuration does not reach it.
func baseEnvironment() []string {
	var environment []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SYSTEMROOT", "TEMP", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}

// replicaLog keeps what a replica writes, and finds the address in it.
type replicaLog struct {
	listening chan string

	mu   sync.Mutex
	text bytes.Buffer
	line []byte
}

func (l *replicaLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.line = append(l.line, p...)
	for {
		line, rest, ok := bytes.Cut(l.line, []byte{'\n'})
		if !ok {
			return len(p), nil
		}
		l.line = rest
		var record struct{ Msg, Address string }
		if json.Unmarshal(line, &record) == nil && record.Msg == "listening" {
			l.listening <- record.Address
		}
	}
}

func (l *replicaLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// balancer hands each request to the next live replica, whichever served the
// one before.
type balancer struct {
	*httptest.Server
	replicas []*replica

	mu     sync.Mutex
	visits []visit
	bodies []*endableBody
}

// visit is a request, and the replica that it was handed to.
type visit struct {
	Replica *replica
	Request *http.Request
	Body    string
}

func startBalancer(t testing.TB, replicas ...*replica) *balancer {
	b := &balancer{replicas: replicas}
	proxies := map[*replica]http.Handler{}
	for _, r := range replicas {
		target := &url.URL{Scheme: "http", Host: r.Address}
		proxies[r] = &httputil.ReverseProxy{
			FlushInterval: -1,
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(target)
				p.Out.Host = p.In.Host
			},
			ModifyResponse: b.watch,
			ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		}
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A reply may begin while the body is still being read, which the
		// proxy does not like.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		chosen := b.visit(r, string(body))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxies[chosen].ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		b.CloseClientConnections()
		b.Close()
	})
	return b
}

// visit chooses the replica for a request.
func (b *balancer) visit(request *http.Request, body string) *replica {
	b.mu.Lock()
	defer b.mu.Unlock()
	chosen := b.replicas[0]
	for i := range b.replicas {
		if next := b.replicas[(len(b.visits)+i)%len(b.replicas)]; next.alive() {
			chosen = next
			break
		}
	}
	b.visits = append(b.visits, visit{chosen, request.Clone(request.Context()), body})
	return chosen
}

// visited returns the requests so far, in order.
func (b *balancer) visited() []visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.visits)
}

// endableBody is a reply that can be ended before its end, in good order.
type endableBody struct {
	io.ReadCloser
	ended atomic.Bool
}

func (e *endableBody) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil && e.ended.Load() {
		err = io.EOF
	}
	return n, err
}

func (b *balancer) watch(reply *http.Response) error {
	body := &endableBody{ReadCloser: reply.Body}
	reply.Body = body
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, body)
	return nil
}

// endReplies ends the replies that are still being sent, as if the servers did
// so; CloseClientConnections breaks them off.
func (b *balancer) endReplies() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range b.bodies {
		body.ended.Store(true)
		_ = body.Close() // it may be over already
	}
	b.bodies = nil
}

// resumedElsewhere checks that the call whose body has the text was resumed on
// another replica than the one that ran it.
func (b *balancer) resumedElsewhere(t *testing.T, text string) {
	t.Helper()
	var ranOn *replica
	for _, v := range b.visited() {
		if strings.Contains(v.Body, text) {
			ranOn = v.Replica
		}
		if ranOn == nil || v.Request.Method != http.MethodGet {
			continue
		}
		cursor, err := session.ParseCursor(v.Request.Header.Get("Last-Event-ID"))
		if err != nil || cursor.IsOut() {
			continue
		}
		if v.Replica == ranOn {
			t.Error("the call was resumed on the replica that ran it, so that nothing is proven")
		}
		return
	}
	t.Error("the call was not resumed")
}
