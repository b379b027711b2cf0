package check

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// The two eras of the protocol that a server has to speak.
const (
	sessionEra   = "2025-11-25"
	statelessEra = "2026-07-28"
)

// connection is one MCP client and what the server sent to it unasked.
type connection struct {
	*client.Client
	info  *mcp.InitializeResult
	inbox *inbox
	model *model
}

// connect opens a connection. ctx bounds the handshake; life bounds the GET
// stream of a listening connection, which outlives the step that opens it.
func (s *Suite) connect(ctx, life context.Context, era string, options ...transport.StreamableHTTPCOption) (*connection, error) {
	options = append(options,
		transport.WithHTTPBasicClient(&http.Client{Transport: s.bearer()}),
		transport.WithHTTPLogger(slog.New(slog.DiscardHandler))) // it would write to the table's stderr
	tr, err := transport.NewStreamableHTTP(s.Settings.Endpoint.String(), options...)
	if err != nil {
		return nil, err
	}
	c := &connection{inbox: newInbox(), model: &model{}}
	c.Client = client.NewClient(tr, client.WithProtocolVersion(era), client.WithSamplingHandler(c.model))
	if err := c.Start(life); err != nil {
		return nil, err
	}
	c.OnNotification(c.inbox.put)
	request := mcp.InitializeRequest{}
	request.Params.ProtocolVersion = era
	request.Params.ClientInfo = mcp.Implementation{Name: "prynai-smoke", Version: "1"}
	if c.info, err = c.Initialize(ctx, request); err != nil {
		return nil, err
	}
	if c.info.ProtocolVersion != era {
		c.end(ctx)
		return nil, &mismatch{
			expected: "protocol version " + era, got: "protocol version " + c.info.ProtocolVersion,
			cause: "the server does not speak this revision, or something on the way removes the MCP headers (Mcp-Method, Mcp-Protocol-Version)"}
	}
	return c, nil
}

func (s *Suite) bearer() *wire.Bearer {
	return &wire.Bearer{Host: s.Settings.Endpoint.Host, Token: s.token.Raw.Reveal(), Next: s.Transport}
}

// end ends the connection's session, if there is time left for it: the library
// would take seconds of its own.
func (c *connection) end(ctx context.Context) {
	if ctx.Err() == nil {
		_ = c.Close() // always nil; what becomes of the DELETE is a check of its own
	}
}

// inbox keeps the notifications of a connection in order of arrival.
type inbox struct {
	mu      sync.Mutex
	all     []notification
	arrival chan struct{} // closed and replaced at each arrival
}

type notification struct {
	mcp.JSONRPCNotification
	at time.Time
}

func newInbox() *inbox { return &inbox{arrival: make(chan struct{})} }

func (b *inbox) put(n mcp.JSONRPCNotification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, notification{n, time.Now()})
	close(b.arrival)
	b.arrival = make(chan struct{})
}

// clear empties the inbox.
func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = nil
}

// with returns the notifications of one method.
func (b *inbox) with(method string) []notification {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []notification
	for _, n := range b.all {
		if n.Method == method {
			found = append(found, n)
		}
	}
	return found
}

// await waits for a notification that matches.
func (b *inbox) await(ctx context.Context, matches func(notification) bool) error {
	for seen := 0; ; {
		b.mu.Lock()
		for ; seen < len(b.all); seen++ {
			if matches(b.all[seen]) {
				b.mu.Unlock()
				return nil
			}
		}
		arrival := b.arrival
		b.mu.Unlock()
		select {
		case <-arrival:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// model stands for the client's language model: it answers each request with
// the same sentence, and remembers what it was asked.
type model struct {
	mu    sync.Mutex
	asked []mcp.CreateMessageParams
}

const modelAnswer = "a smoke test's summary"

// CreateMessage implements [client.SamplingHandler].
func (m *model) CreateMessage(_ context.Context, r mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, r.CreateMessageParams)
	return &mcp.CreateMessageResult{
		SamplingMessage: mcp.SamplingMessage{Role: mcp.RoleAssistant, Content: mcp.NewTextContent(modelAnswer)},
		Model:           "smoke",
		StopReason:      "endTurn",
	}, nil
}

func (m *model) lastAsked() (text string, tokens int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asked) == 0 {
		return "", 0, false
	}
	last := m.asked[len(m.asked)-1]
	for _, message := range last.Messages {
		// The library decodes content in the one era and leaves it in the other.
		content, err := mcp.ParseSamplingContent(message.Content)
		if t, ok := content.(mcp.TextContent); ok && err == nil {
			text += t.Text
		}
	}
	return text, last.MaxTokens, true
}
