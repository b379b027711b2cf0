package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// What is one principal's is nobody else's: not to be read, resumed, answered,
// cancelled or ended, whichever replica is asked in whichever revision.

// eventStream reads server-sent events.
type eventStream struct {
	response *http.Response
	lines    *bufio.Scanner
}

// events opens the stream with which a request is answered.
func (l *local) events(ctx context.Context, t *testing.T, r request) *eventStream {
	t.Helper()
	response := l.open(ctx, t, r)
	t.Cleanup(func() { _ = response.Body.Close() })
	return &eventStream{response, bufio.NewScanner(response.Body)}
}

// next is the next event whose data contains the text.
func (s *eventStream) next(t *testing.T, text string) (id, data string) {
	t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if value, ok := strings.CutPrefix(line, "id: "); ok {
			id = value
		}
		if value, ok := strings.CutPrefix(line, "data: "); ok && value != "" && strings.Contains(value, text) {
			return id, value
		}
	}
	t.Fatalf("the stream ended without %s: %s, %v", text, s.response.Status, s.lines.Err())
	return "", ""
}

func (s *eventStream) close() { _ = s.response.Body.Close() }

// scene is what the first principal has under way.
type scene struct {
	version  string
	session  string
	event    string // id of an event of the running call 1, of "wait"
	question string // id of what call 2, of "ask", asks the client
	waiting  *eventStream
	asking   *eventStream
}

func playScene(t *testing.T, l *local, token, version string) *scene {
	t.Helper()
	s := &scene{version: version, session: l.initialize(t, token, version)}
	s.waiting = l.events(t.Context(), t, s.post(token, toolCall("1", "wait")))
	s.event, _ = s.waiting.next(t, "notifications/waiting")
	s.asking = l.events(t.Context(), t, s.post(token, toolCall("2", "ask")))
	_, data := s.asking.next(t, "sampling/createMessage")
	var asked struct{ ID string }
	if err := json.Unmarshal([]byte(data), &asked); err != nil || asked.ID == "" || s.event == "" {
		t.Fatalf("event %q, question %s: %v", s.event, data, err)
	}
	s.question = asked.ID
	return s
}

func (s *scene) post(token, body string) request {
	return request{token: token, session: s.session, version: s.version, body: body}
}

func (s *scene) get(token, event string) request {
	r := request{method: http.MethodGet, token: token, session: s.session, version: s.version, header: map[string]string{}}
	if event != "" {
		r.header["Last-Event-ID"] = event
	}
	return r
}

func (s *scene) answer(token, text string) request {
	return s.post(token, `{"jsonrpc":"2.0","id":"`+s.question+`","result":{"role":"assistant","model":"m","content":{"type":"text","text":"`+text+`"}}}`)
}

func (s *scene) cancel(token string) request {
	return s.post(token, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
}

func (s *scene) delete(token string) request {
	return request{method: http.MethodDelete, token: token, session: s.session, version: s.version}
}

// attempts are what another may try with the ids of the first one's session.
func (s *scene) attempts(token string) map[string]request {
	attempts := map[string]request{
		"read the session's stream":        s.get(token, ""),
		"resume a call":                    s.get(token, s.event),
		"resume a call from its beginning": s.get(token, s.event[:strings.Index(s.event, ".")]+".1"),
		"resume the session's stream":      s.get(token, "out.0"),
		"answer a question":                s.answer(token, "stolen"),
		"refuse a question":                s.post(token, `{"jsonrpc":"2.0","id":"`+s.question+`","error":{"code":-1,"message":"stolen"}}`),
		"cancel a call":                    s.cancel(token),
		"end the session":                  s.delete(token),
		"call a tool":                      s.post(token, toolCall("3", "open")),
		"repeat a request's id":            s.post(token, toolCall("1", "open")),
		"list tools":                       s.post(token, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`),
		"ping":                             s.post(token, `{"jsonrpc":"2.0","id":3,"method":"ping"}`),
		"set the log level":                s.post(token, `{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"debug"}}`),
		"subscribe":                        s.post(token, `{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"probe://resource"}}`),
		"unsubscribe":                      s.post(token, `{"jsonrpc":"2.0","id":3,"method":"resources/unsubscribe","params":{"uri":"probe://resource"}}`),
		"notify":                           s.post(token, `{"jsonrpc":"2.0","method":"notifications/initialized"}`),
	}
	if s.version == mcp.ProtocolVersion20250326 {
		attempts["send a batch"] = s.post(token, "["+toolCall("3", "open")+","+s.cancel(token).body+"]")
	}
	return attempts
}

func TestOthersCannotTouchASession(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	user := func(id string) string {
		return entra.Mint(entratest.Token{User: id, Scopes: []string{"mcp.invoke"}})
	}
	redis := "REDIS_URL=redis://" + redistest.Embedded(t).Addr()
	for _, version := range []string{mcp.ProtocolVersion20241105, mcp.ProtocolVersion20250326, mcp.ProtocolVersion20250618, mcp.ProtocolVersion20251125} {
		t.Run(version, func(t *testing.T) {
			seen := newReached()
			a := startLocal(t, newProbe(seen), protected(entra), redis)
			b := startLocal(t, newProbe(seen), protected(entra), redis)
			first := user("first")
			s := playScene(t, a, first, version)
			for _, r := range []request{
				s.post(first, `{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"probe://resource"}}`),
				s.post(first, `{"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"error"}}`),
			} {
				if got := b.do(t, r); got.status != http.StatusOK {
					t.Fatalf("%v", got)
				}
			}

			// The second one has a session of its own, and the application that both use no user.
			for who, token := range map[string]string{"user": user("second"), "application": entra.Mint(entratest.Token{})} {
				for i, l := range []*local{a, b} {
					for name, r := range s.attempts(token) {
						unknown := r
						unknown.session = strings.Repeat("A", len(s.session))
						got, want := l.do(t, r), l.do(t, unknown)
						if got.status != http.StatusNotFound || got.body != want.body || want.status != http.StatusNotFound {
							t.Errorf("%s, replica %d, %s: %v\nan unknown session: %v", who, i, name, got, want)
						}
					}
					s.tryFromOwnSession(t, l, token)
				}
			}
			for _, what := range []string{"open", "wait cancelled"} {
				if seen.has(what) {
					t.Errorf("reached: %s", what)
				}
			}
			s.finish(t, a, b, user("first"), seen)
		})
	}
}

// tryFromOwnSession uses the ids of the first one's calls in another session.
func (s *scene) tryFromOwnSession(t *testing.T, l *local, token string) {
	t.Helper()
	own := *s
	own.session = l.initialize(t, token, s.version)
	if own.session == s.session {
		t.Fatal("two sessions of one id")
	}
	for name, r := range map[string]request{
		"resume": own.get(token, s.event),
		"answer": own.answer(token, "stolen"),
	} {
		if got := l.do(t, r); got.status != http.StatusBadRequest || strings.Contains(got.body, "notifications/waiting") {
			t.Errorf("%s in a session of one's own: %v", name, got)
		}
	}
	if got := l.do(t, own.cancel(token)); got.status != http.StatusAccepted { // of a request that the session has not
		t.Errorf("cancel in a session of one's own: %v", got)
	}
	if got := l.do(t, own.delete(token)); got.status != http.StatusNoContent {
		t.Errorf("end of one's own session: %v", got)
	}
}

// finish shows that nothing was touched, and that all that others tried would
// have had an effect: the first one does it with a token of its own, a new one.
func (s *scene) finish(t *testing.T, a, b *local, token string, seen *reached) {
	t.Helper()
	record, err := a.service.sessions.Load(t.Context(), s.session)
	if err != nil || record.Level != mcp.LoggingLevelError || fmt.Sprint(record.Subscribed) != "[probe://resource]" {
		t.Errorf("the session has become %+v, %v", record, err)
	}
	if got := b.do(t, s.answer(token, "mine")); got.status != http.StatusAccepted {
		t.Errorf("answer: %v", got)
	}
	if _, data := s.asking.next(t, `"id":2`); !strings.Contains(data, `"text":"mine"`) {
		t.Errorf("the call got another answer: %s", data)
	}
	s.asking.close()

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resumed := b.events(ctx, t, s.get(token, s.event[:strings.Index(s.event, ".")]+".1"))
	resumed.next(t, "notifications/waiting")
	out := b.open(ctx, t, s.get(token, ""))
	if out.StatusCode != http.StatusOK {
		t.Errorf("GET: %s", out.Status)
	}
	for name, r := range map[string]request{"call": s.post(token, toolCall("3", "open")), "ping": s.post(token, `{"jsonrpc":"2.0","id":3,"method":"ping"}`)} {
		if got := b.do(t, r); got.status != http.StatusOK {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := b.do(t, s.cancel(token)); got.status != http.StatusAccepted {
		t.Errorf("cancel: %v", got)
	}
	eventually(t, "the call is cancelled", func() bool { return seen.has("wait cancelled") })
	if got := b.do(t, s.delete(token)); got.status != http.StatusNoContent {
		t.Errorf("delete: %v", got)
	}
	if got := a.do(t, s.post(token, toolCall("3", "open"))); got.status != http.StatusNotFound {
		t.Errorf("after the end: %v", got)
	}
	resumed.close()
	s.waiting.close()
	_ = out.Body.Close()
}

// The stateless revision has no session to touch, but requests that run and
// states that come back.
func TestOthersCannotTouchAStatelessRequest(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	user := func(id string) string {
		return entra.Mint(entratest.Token{User: id, Scopes: []string{"mcp.invoke"}})
	}
	redis := "REDIS_URL=redis://" + redistest.Embedded(t).Addr()
	seen := newReached()
	a := startLocal(t, newProbe(seen), protected(entra), redis)
	b := startLocal(t, newProbe(seen), protected(entra), redis)
	first, second := user("first"), user("second")

	waiting := a.events(t.Context(), t, stateless(first, "tools/call", "wait", `"name":"wait"`))
	waiting.next(t, "notifications/waiting")
	var round struct{ Result struct{ RequestState string } }
	if got := a.do(t, stateless(first, "tools/call", "state", `"name":"state"`)); json.Unmarshal([]byte(got.body), &round) != nil || round.Result.RequestState == "" {
		t.Fatalf("state: %v", got)
	}
	session := a.initialize(t, first, mcp.ProtocolVersion20251125)
	next := func(token string) request {
		return stateless(token, "tools/call", "state", `"name":"state","requestState":"`+round.Result.RequestState+`","inputResponses":{"sure":{"action":"accept","content":{"ok":true}}}`)
	}
	for i, l := range []*local{a, b} {
		if got := l.do(t, next(second)); got.status != http.StatusBadRequest || !strings.Contains(got.body, "The requestState is not valid for this request") {
			t.Errorf("replica %d: another's state: %v", i, got)
		}
		if got := l.do(t, next(user("first"))); got.status != http.StatusOK || !strings.Contains(got.body, "state: the first one's state") {
			t.Errorf("replica %d: one's own state: %v", i, got)
		}
		cancel := stateless(second, "notifications/cancelled", "", "")
		cancel.body = strings.Replace(cancel.body, `"id":7,`, "", 1)
		cancel.body = strings.Replace(cancel.body, `"params":{`, `"params":{"requestId":7,`, 1)
		if got := l.do(t, cancel); got.status != http.StatusAccepted {
			t.Errorf("replica %d: cancel: %v", i, got)
		}
		// A request of the same id, and with the id of the first one's session.
		same := stateless(second, "tools/call", "open", `"name":"open"`)
		same.session = session
		if got := l.do(t, same); got.status != http.StatusOK || got.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("replica %d: same id: %v", i, got)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if got := l.do(t, request{method: method, token: second, session: session, version: mcp.ProtocolVersion20260728}); got.status != http.StatusMethodNotAllowed {
				t.Errorf("replica %d: %s: %v", i, method, got)
			}
		}
	}
	if seen.has("wait cancelled") {
		t.Error("the first one's request was cancelled")
	}
	if got := b.do(t, request{token: first, session: session, body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`}); got.status != http.StatusOK {
		t.Errorf("the first one's session: %v", got)
	}
	close(seen.release)
	waiting.next(t, "result of wait")
	waiting.close()
}
