package standin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// session is what a server remembers of a client between requests.
type session struct {
	id      string
	updates chan []byte // for the GET stream

	mu            sync.Mutex
	level         mcp.LoggingLevel
	subscriptions []string
}

func (s *session) updated(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.subscriptions, uri) {
		return
	}
	select {
	case s.updates <- fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":%q}}`, uri):
	default: // nobody reads
	}
}

// exchange is one POST: the session as mcp-go sees it, with the stream that
// this request is answered on.
type exchange struct {
	*session
	server *Server
	out    chan mcp.JSONRPCNotification

	writing sync.Mutex
	w       http.ResponseWriter
	started bool
}

var (
	_ server.SessionWithLogging               = (*exchange)(nil)
	_ server.SessionWithSampling              = (*exchange)(nil)
	_ server.SessionWithResourceSubscriptions = (*exchange)(nil)
)

func (x *exchange) Initialize()                                         {}
func (x *exchange) Initialized() bool                                   { return true }
func (x *exchange) SessionID() string                                   { return x.id }
func (x *exchange) NotificationChannel() chan<- mcp.JSONRPCNotification { return x.out }

func (x *exchange) SetLogLevel(level mcp.LoggingLevel) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.level = level
}

func (x *exchange) GetLogLevel() mcp.LoggingLevel {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.level
}

func (x *exchange) SubscribeToResource(uri string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.subscriptions = append(x.subscriptions, uri)
}

func (x *exchange) UnsubscribeFromResource(uri string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.subscriptions = slices.DeleteFunc(x.subscriptions, func(s string) bool { return s == uri })
}

func (x *exchange) SubscribedResources() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.subscriptions)
}

func (x *exchange) IsSubscribedToResource(uri string) bool {
	return slices.Contains(x.SubscribedResources(), uri)
}

// RequestSampling asks on the stream of the call and waits for the answer,
// which the client posts.
func (x *exchange) RequestSampling(ctx context.Context, r mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	id := rand.Text()
	answer := make(chan []byte, 1)
	x.server.mu.Lock()
	x.server.pending[id] = answer
	x.server.mu.Unlock()
	question, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage", "params": r.CreateMessageParams})
	if err != nil {
		return nil, err
	}
	x.send(question)
	select {
	case body := <-answer:
		var reply struct {
			Result *mcp.CreateMessageResult `json:"result"`
		}
		if err := json.Unmarshal(body, &reply); err != nil || reply.Result == nil {
			return nil, errors.New("the client refused")
		}
		return reply.Result, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (x *exchange) send(message []byte) {
	x.writing.Lock()
	defer x.writing.Unlock()
	if !x.started {
		x.started = true
		x.w.Header().Set("Content-Type", "text/event-stream")
	}
	writeEvent(x.w, message, !x.server.broken("buffered"))
}

// pump forwards notifications until stop is closed and none is left.
func (x *exchange) pump(stop <-chan struct{}) {
	for {
		select {
		case n := <-x.out:
			x.notify(n)
		case <-stop:
			for {
				select {
				case n := <-x.out:
					x.notify(n)
				default:
					return
				}
			}
		}
	}
}

func (x *exchange) notify(n mcp.JSONRPCNotification) {
	if message, err := json.Marshal(n); err == nil {
		x.send(message)
	}
}

func writeEvent(w http.ResponseWriter, message []byte, flush bool) {
	_, _ = fmt.Fprintf(w, "event: message\ndata: %s\n\n", message)
	if flush {
		_ = http.NewResponseController(w).Flush()
	}
}

type exchangeKey struct{}

// newEngine makes mcp-go a function from one request to one JSON reply, in
// which the session is the one that serveMCP found.
func (s *Server) newEngine() *server.StreamableHTTPServer {
	return server.NewStreamableHTTPServer(s.mcp, server.WithStateLess(true),
		server.WithHTTPContextFunc(func(ctx context.Context, _ *http.Request) context.Context {
			if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
				return s.mcp.WithContext(ctx, x)
			}
			return ctx
		}))
}

func (s *Server) serveMCP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var message struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if r.Method == http.MethodPost && json.Unmarshal(body, &message) != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	if mcp.IsModernProtocol(r.Header.Get("Mcp-Protocol-Version")) {
		if s.broken("stateless") {
			http.Error(w, "unsupported protocol version", http.StatusBadRequest)
			return
		}
		s.dispatch(w, r, body, &session{id: rand.Text(), level: mcp.LoggingLevelError})
		return
	}
	if message.Method == "initialize" {
		session := &session{id: rand.Text(), level: mcp.LoggingLevelError, updates: make(chan []byte, 16)}
		s.mu.Lock()
		s.sessions[session.id] = session
		s.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", session.id)
		s.dispatch(w, r, body, session)
		return
	}
	s.mu.Lock()
	session, ok := s.sessions[r.Header.Get("Mcp-Session-Id")]
	s.mu.Unlock()
	switch {
	case !ok || s.broken("forgetful"):
		http.Error(w, "session not found", http.StatusNotFound)
	case r.Method == http.MethodGet:
		s.listen(w, r, session)
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		if !s.broken("delete") {
			delete(s.sessions, session.id)
		}
		s.mu.Unlock()
	case message.Method == "":
		s.answer(w, message.ID, body)
	default:
		s.dispatch(w, r, body, session)
	}
}

func (s *Server) answer(w http.ResponseWriter, id json.RawMessage, body []byte) {
	var name string
	_ = json.Unmarshal(id, &name) // an id of another kind is nobody's
	s.mu.Lock()
	waiter, ok := s.pending[name]
	delete(s.pending, name)
	s.mu.Unlock()
	if ok {
		waiter <- body
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) listen(w http.ResponseWriter, r *http.Request, session *session) {
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case update := <-session.updates:
			writeEvent(w, update, true)
		case <-r.Context().Done():
			return
		case <-s.ending:
			return
		}
	}
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, body []byte, session *session) {
	x := &exchange{session: session, server: s, w: w, out: make(chan mcp.JSONRPCNotification, 64)}
	stop, pumped := make(chan struct{}), make(chan struct{})
	go func() { defer close(pumped); x.pump(stop) }()
	reply := &buffer{header: http.Header{}, status: http.StatusOK}
	s.engine.Handle(reply, &server.HTTPRequest{Method: r.Method, URL: r.URL, Header: r.Header, Body: body,
		Context: context.WithValue(r.Context(), exchangeKey{}, x)})
	close(stop)
	<-pumped
	if x.started {
		x.send(bytes.TrimSpace(reply.body.Bytes()))
		return
	}
	w.Header().Set("Content-Type", reply.header.Get("Content-Type"))
	w.WriteHeader(reply.status)
	_, _ = w.Write(reply.body.Bytes())
}

// buffer is a response writer that cannot stream, so that mcp-go writes one
// reply into it and leaves the streaming to dispatch.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header         { return b.header }
func (b *buffer) WriteHeader(status int)      { b.status = status }
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }
func (b *buffer) Flush()                      {}
func (b *buffer) CanStream() bool             { return false }
