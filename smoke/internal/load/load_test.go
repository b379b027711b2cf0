package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small MCP server that can be made to misbehave.
type server struct {
	*httptest.Server
	answer func(m incoming, w http.ResponseWriter) bool // true: it has answered

	mu       sync.Mutex
	sessions map[string]string // its principal's authorization
	seen     []incoming
}

type incoming struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Name      string
		Arguments struct{ A, B int64 }
		Meta      map[string]any `json:"_meta"`
	}
	body    []byte
	header  http.Header
	address string
}

func startServer(t *testing.T, answer func(incoming, http.ResponseWriter) bool) *server {
	t.Helper()
	s := &server{answer: answer, sessions: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m := incoming{header: r.Header, address: r.Host, body: body}
	_ = json.Unmarshal(body, &m)
	if r.Method != http.MethodPost {
		m.Method = r.Method
	}
	s.mu.Lock()
	s.seen = append(s.seen, m)
	s.mu.Unlock()
	if s.answer != nil && s.answer(m, w) {
		return
	}
	switch m.Method {
	case "initialize":
		s.mu.Lock()
		session := fmt.Sprint("session-", len(s.sessions))
		s.sessions[session] = r.Header.Get("Authorization")
		s.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", session)
		reply(w, m.ID, `{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}}`)
	case "notifications/initialized":
		w.WriteHeader(http.StatusAccepted)
	case "server/discover":
		reply(w, m.ID, `{"supportedVersions":["2026-07-28"]}`)
	case "tools/list":
		reply(w, m.ID, `{"tools":[{"name":"add"}]}`)
	case "tools/call":
		if m.Params.Name == stepsTool {
			s.steps(w, m, 1)
			return
		}
		reply(w, m.ID, fmt.Sprintf(`{"content":[{"type":"text","text":"%d"}]}`, m.Params.Arguments.A+m.Params.Arguments.B))
	case http.MethodGet:
		cursor := r.Header.Get("Last-Event-Id")
		if cursor == "" { // an idle stream
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		var id, at int
		_, _ = fmt.Sscanf(cursor, "%d:%d", &id, &at)
		m.ID = json.RawMessage(fmt.Sprint(id))
		s.steps(w, m, at+1)
	default:
		reply(w, m.ID, `{}`)
	}
}

// steps streams the reports from one on, and the result.
func (s *server) steps(w http.ResponseWriter, m incoming, from int) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := from; i <= stepCount; i++ {
		event(w, m.ID, i)
	}
	_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\ndata: \"result\":{\"content\":[{\"text\":\"done\"}]}}\n\n", m.ID)
}

func event(w http.ResponseWriter, id json.RawMessage, i int) {
	_, _ = fmt.Fprintf(w, ": comment\nid: %s:%d\ndata: {\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%s,\"progress\":%d}}\n\n", id, i, id, i)
	_ = http.NewResponseController(w).Flush()
}

func reply(w http.ResponseWriter, id json.RawMessage, result string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

// plan is a short one, of as many operations as asked for.
func plan(mix Mix, count int64, servers ...*server) Plan {
	p := Plan{Era: Sessions, Mix: mix, Count: count, Concurrency: 4, Sessions: 3, Duration: 20 * time.Second, Timeout: 10 * time.Second}
	for _, s := range servers {
		u, err := url.Parse(s.URL + "/mcp")
		if err != nil {
			panic(err) // httptest made it
		}
		p.URLs = append(p.URLs, u)
	}
	return p
}

func carryOut(t *testing.T, p Plan) Report {
	t.Helper()
	r, err := Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *server) of(method string) (all []incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.seen {
		if m.Method == method {
			all = append(all, m)
		}
	}
	return all
}

func TestEveryOperationInBothEras(t *testing.T) {
	for _, era := range []Era{Sessions, Stateless} {
		t.Run(string(era), func(t *testing.T) {
			s := startServer(t, nil)
			p := plan(Mix{Initialize: 1, List: 1, Call: 1, Progress: 1}, 40, s)
			p.Era = era
			if era == Sessions {
				p.Mix[Resume] = 1
			}
			r := carryOut(t, p)
			if !r.Held() || r.Total.Count != 40 || len(r.Operations) != len(p.Mix) {
				t.Errorf("%+v %v", r.Total, r.Errors)
			}
			for _, m := range s.of("tools/call") {
				if version := m.header.Get("Mcp-Protocol-Version"); (version == statelessVersion) != (era == Stateless) {
					t.Errorf("a call of version %q", version)
				}
				if era == Stateless && (m.header.Get("Mcp-Method") != "tools/call" || m.header.Get("Mcp-Name") != m.Params.Name ||
					m.Params.Meta["io.modelcontextprotocol/protocolVersion"] != statelessVersion) {
					t.Errorf("a stateless call without what the revision demands: %v %+v", m.header, m.Params)
				}
			}
			if gets := s.of(http.MethodGet); (len(gets) > 0) != (era == Sessions) {
				t.Errorf("%d streams were resumed", len(gets))
			}
			if begun, ended := len(s.of("initialize")), len(s.of(http.MethodDelete)); begun != ended {
				t.Errorf("%d sessions were begun and %d ended", begun, ended)
			}
		})
	}
}

// Each session must go round all addresses, whatever their numbers.
func TestNotSticky(t *testing.T) {
	for _, sessions := range []int{1, 2, 3, 4} {
		a, b := startServer(t, nil), startServer(t, nil)
		// Both know the session, as replicas do: neither checks it here.
		p := plan(Mix{Call: 1}, 40, a, b)
		p.Sessions, p.Concurrency = sessions, 1
		if r := carryOut(t, p); !r.Held() {
			t.Fatal(r.Errors)
		}
		for _, s := range []*server{a, b} {
			if calls := len(s.of("tools/call")); calls < 16 || calls > 24 {
				t.Errorf("%d sessions: %d of 40 calls at one of two addresses", sessions, calls)
			}
		}
	}
}

func TestIDsAndTermsVary(t *testing.T) {
	s := startServer(t, nil)
	carryOut(t, plan(Mix{Call: 1}, 50, s))
	seen := map[string]bool{}
	for _, m := range s.of("tools/call") {
		seen[string(m.ID)] = true
		seen[fmt.Sprint(m.Params.Arguments)] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d ids and arguments in 50 calls, want 100", len(seen))
	}
}

func TestTokensRotate(t *testing.T) {
	s := startServer(t, nil)
	principals, err := ReadPrincipals(strings.NewReader("# whose\nalice1 alice2\n\nbob\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := plan(Mix{Call: 1}, 60, s)
	p.Principals, p.Sessions = principals, 4
	if r := carryOut(t, p); !r.Held() || r.Principals != 2 {
		t.Fatal(r.Errors)
	}
	used := map[string]int{}
	for _, m := range s.of("tools/call") {
		token := m.header.Get("Authorization")
		used[token]++
		if whose := s.sessions[m.header.Get("Mcp-Session-Id")]; strings.TrimRight(whose, "12") != strings.TrimRight(token, "12") {
			t.Errorf("a session of %s was used with %s", whose, token)
		}
	}
	if len(used) != 3 || used["Bearer alice1"] < 10 || used["Bearer alice2"] < 10 || used["Bearer bob"] < 20 {
		t.Errorf("tokens used: %v", used)
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	call := func(answer func(m incoming, w http.ResponseWriter)) func(incoming, http.ResponseWriter) bool {
		return func(m incoming, w http.ResponseWriter) bool {
			if m.Method == "tools/call" {
				answer(m, w)
			}
			return m.Method == "tools/call"
		}
	}
	for _, tt := range []struct {
		kind   string
		mix    Mix
		answer func(m incoming, w http.ResponseWriter)
	}{
		{"HTTP 429", Mix{Call: 1}, func(_ incoming, w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }},
		{"HTTP 307", Mix{Call: 1}, func(_ incoming, w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}},
		{"wrong id", Mix{Call: 1}, func(_ incoming, w http.ResponseWriter) { reply(w, []byte("0"), `{}`) }},
		{"wrong result", Mix{Call: 1}, func(m incoming, w http.ResponseWriter) { reply(w, m.ID, `{"content":[{"text":"-1"}]}`) }},
		{"tool error", Mix{Call: 1}, func(m incoming, w http.ResponseWriter) { reply(w, m.ID, `{"isError":true}`) }},
		{"malformed reply", Mix{Call: 1}, func(_ incoming, w http.ResponseWriter) { _, _ = io.WriteString(w, "{") }},
		{"JSON-RPC error -32602", Mix{Call: 1}, func(m incoming, w http.ResponseWriter) {
			_, _ = fmt.Fprintf(w, `{"id":%s,"error":{"code":-32602,"message":"no"}}`, m.ID)
		}},
		{"connection lost", Mix{Call: 1}, func(incoming, http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		{"timeout", Mix{Call: 1}, func(_ incoming, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second) // longer than the operation may take
		}},
		{"no stream", Mix{Progress: 1}, func(m incoming, w http.ResponseWriter) { reply(w, m.ID, `{}`) }},
		{"stream ended early", Mix{Progress: 1}, func(m incoming, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			event(w, m.ID, 1)
		}},
		{"repeated event", Mix{Progress: 1}, func(m incoming, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			event(w, m.ID, 1)
			event(w, m.ID, 1)
		}},
		{"lost event", Mix{Progress: 1}, func(m incoming, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			event(w, m.ID, 2)
			_, _ = fmt.Fprintf(w, "data: {\"id\":%s,\"result\":{}}\n\n", m.ID)
		}},
		{"cannot be resumed", Mix{Resume: 1}, func(m incoming, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: {\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%s,\"progress\":1}}\n\n", m.ID)
		}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			s := startServer(t, call(tt.answer))
			p := plan(tt.mix, 3, s)
			if tt.kind == "timeout" {
				p.Timeout = 200 * time.Millisecond
			}
			r := carryOut(t, p)
			if r.Held() || r.Total.Count != 0 || len(r.Errors) != 1 || r.Errors[0].Kind != tt.kind || r.Errors[0].Count != 3 {
				t.Errorf("got %+v, want 3 of %q", r.Errors, tt.kind)
			}
		})
	}
}

func TestTokensAreNotReported(t *testing.T) {
	const secret = "a-secret-of-some-length"
	s := startServer(t, func(m incoming, w http.ResponseWriter) bool {
		if m.Method == "tools/call" {
			http.Error(w, "refused: "+m.header.Get("Authorization"), http.StatusForbidden)
		}
		return m.Method == "tools/call"
	})
	principal, err := NewPrincipal(secret)
	if err != nil {
		t.Fatal(err)
	}
	p := plan(Mix{Call: 1}, 3, s)
	p.Principals = []*Principal{principal}
	r := carryOut(t, p)
	var out strings.Builder
	for _, write := range []func(io.Writer) error{r.Table, r.JSON, r.HTML} {
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(&out, "%v %+v %#v", p, p, principal.tokens)
	if !strings.Contains(out.String(), "refused: ") || strings.Contains(out.String(), secret) {
		t.Error(out.String())
	}
}

func TestMirror(t *testing.T) {
	s := startServer(t, func(m incoming, w http.ResponseWriter) bool { _, _ = w.Write(m.body); return true })
	if r := carryOut(t, plan(Mix{Mirror: 1}, 20, s)); !r.Held() || r.Total.Count != 20 {
		t.Error(r.Errors)
	}
	if len(s.of("tools/call")) != 20 || len(s.seen) != 20 {
		t.Error("a mirror is sent calls and nothing else")
	}
}

// A server that stalls is charged for all that was due meanwhile.
func TestOpenModelCountsFromTheDueTime(t *testing.T) {
	const stall = 500 * time.Millisecond
	var once sync.Once
	s := startServer(t, func(m incoming, _ http.ResponseWriter) bool {
		if m.Method == "tools/call" {
			once.Do(func() { time.Sleep(stall) })
		}
		return false
	})
	p := plan(Mix{Call: 1}, 0, s)
	p.Rate, p.Duration, p.Concurrency = 100, time.Second, 1
	r := carryOut(t, p)
	if !r.Held() && r.Unsent == 0 {
		t.Fatal(r.Errors)
	}
	if all := r.Total.Count + r.Unsent; all != 100 {
		t.Errorf("%d operations were due, want 100", all)
	}
	// About 50 were due in the stall. Counted from when they were sent, all but
	// one would be fast.
	slow := slices.IndexFunc(r.Total.Curve, func(p Point) bool { return p.Milliseconds > 50 })
	if slow < 0 || r.Total.Curve[slow].Percentile > 95 {
		t.Errorf("the stall is not in %v", r.Total.Curve)
	}
}

func TestCutStreams(t *testing.T) {
	s := startServer(t, nil)
	p := plan(Mix{Progress: 1}, 40, s)
	p.Cut = 0.5
	r := carryOut(t, p)
	if r.Total.Failed != 0 || r.Cut < 5 || r.Cut+r.Total.Count != 40 {
		t.Errorf("%d of 40 cut, %d came to their end, errors %v", r.Cut, r.Total.Count, r.Errors)
	}
}

func TestIdleStreamsAreHeldAndReopened(t *testing.T) {
	var once sync.Once
	s := startServer(t, func(m incoming, w http.ResponseWriter) (answered bool) {
		if m.Method == http.MethodGet {
			once.Do(func() {
				w.Header().Set("Content-Type", "text/event-stream")
				answered = true
			})
		}
		return answered
	})
	p := plan(Mix{Call: 1}, 0, s)
	p.Streams, p.Rate, p.Duration = 3, 20, 3*time.Second
	r := carryOut(t, p)
	if !r.Held() || r.Reopened != 1 || len(s.of(http.MethodGet)) != 4 {
		t.Errorf("%d reopened, %d GETs, errors %v", r.Reopened, len(s.of(http.MethodGet)), r.Errors)
	}
	if len(r.Series) == 0 || r.Series[len(r.Series)-1].Streams != 3 {
		t.Errorf("held: %+v", r.Series)
	}
}

func TestBounds(t *testing.T) {
	s := startServer(t, nil)
	good := plan(Mix{Call: 1}, 1, s)
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	token, _ := NewPrincipal("token")
	for want, change := range map[string]func(*Plan){
		"--url is missing":    func(p *Plan) { p.URLs = nil },
		"is not this machine": func(p *Plan) { p.URLs = []*url.URL{{Scheme: "https", Host: "mcp.example.com"}} },
		"plain http would show": func(p *Plan) {
			p.URLs, p.AllowRemote, p.Principals = []*url.URL{{Scheme: "http", Host: "mcp.example.com"}}, true, []*Principal{token}
		},
		"want an http or https": func(p *Plan) { p.URLs = []*url.URL{{Scheme: "ftp", Host: "localhost"}} },
		"user name or password": func(p *Plan) { p.URLs = []*url.URL{{Scheme: "http", Host: "localhost", User: url.User("u")}} },
		"--era":                 func(p *Plan) { p.Era = "modern" },
		"no streams to resume":  func(p *Plan) { p.Era, p.Mix = Stateless, Mix{Resume: 1} },
		"no GET streams":        func(p *Plan) { p.Era, p.Streams = Stateless, 1 },
		"--mix is empty":        func(p *Plan) { p.Mix = nil },
		"--rate":                func(p *Plan) { p.Rate = 1e6 },
		"--concurrency":         func(p *Plan) { p.Concurrency = 0 },
		"--duration":            func(p *Plan) { p.Duration = 2 * time.Hour },
		"--warmup":              func(p *Plan) { p.Warmup = -1 },
		"--request-timeout":     func(p *Plan) { p.Timeout = 0 },
		"--count":               func(p *Plan) { p.Count = -1 },
		"--sessions":            func(p *Plan) { p.Sessions = 0 },
		"--streams":             func(p *Plan) { p.Streams = 4 },
		"--cut":                 func(p *Plan) { p.Cut = 1.5 },
	} {
		p := good
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want %q", err, want)
		}
	}
	if len(s.seen) != 0 {
		t.Error("a server was asked by a plan that was only checked")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := startServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	started := time.Now()
	r, err := Run(ctx, plan(Mix{Call: 1}, 0, s), nil)
	if err != nil || !r.Held() {
		t.Errorf("%v, %d operations, errors %v", err, r.Total.Count, r.Errors)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it went on for %s", took)
	}
}

func TestNoLoadOnAServerThatIsNotThere(t *testing.T) {
	s := startServer(t, nil)
	p := plan(Mix{Call: 1}, 1, s)
	s.Close()
	if _, err := Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Run = %v", err)
	}
}

func TestParseMix(t *testing.T) {
	m, err := ParseMix("call=9, list,call")
	if err != nil || m.String() != "call=10, list=1" || len(m.table()) != 11 {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{"", "dance", "call=", "call=0", "call=-1", "call=x", "call=1001"} {
		if m, err := ParseMix(bad); err == nil {
			t.Errorf("%q: %v", bad, m)
		}
	}
}
