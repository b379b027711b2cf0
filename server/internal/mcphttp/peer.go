package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/session"
	"github.com/prynai/prynai-mcp/server/internal/telemetry"
)

// peer is the client of one request, as mcp-go sees it: a session value that
// lives as long as the request. What it is told to remember it writes through.
type peer struct {
	handler *Handler
	id      string          // what mcp-go keys running requests by
	record  *session.Record // of the session; in the stateless era what the request says of itself
	call    *call           // nil where nothing can be sent to the client

	mu         sync.Mutex
	err        error // what a setter, which returns nothing, has failed with
	filter     mcp.SubscriptionFilter
	subscribed []string // of subscriptions/listen
}

var (
	_ server.SessionWithClientInfo               = (*peer)(nil)
	_ server.SessionWithLogging                  = (*peer)(nil)
	_ server.SessionWithProtocolVersion          = (*peer)(nil)
	_ server.SessionWithResourceSubscriptionsErr = (*peer)(nil)
	_ server.SessionWithSubscriptionFilter       = (*peer)(nil)
	_ server.SessionWithSampling                 = (*peer)(nil)
	_ server.SessionWithElicitation              = (*peer)(nil)
	_ server.SessionWithRoots                    = (*peer)(nil)
)

func (p *peer) stateless() bool   { return p.record.ID == "" }
func (p *peer) SessionID() string { return p.id }
func (p *peer) Initialize()       {}
func (p *peer) Initialized() bool { return true }

// NotificationChannel waits for room, so that a tool is slowed down to what its
// client and the store can take. A nil channel, which makes mcp-go report an
// error to the tool, says that nothing can be sent any more.
func (p *peer) NotificationChannel() chan<- mcp.JSONRPCNotification {
	if p.call == nil {
		return nil
	}
	return p.call.channel()
}

func (p *peer) fail(err error) {
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
	}
}

func (p *peer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// The record of a running initialize, or of a stateless request, is this
// request's own: it may be written to.

func (p *peer) GetClientInfo() mcp.Implementation             { return p.record.Client }
func (p *peer) SetClientInfo(v mcp.Implementation)            { p.record.Client = v }
func (p *peer) GetClientCapabilities() mcp.ClientCapabilities { return p.record.Capabilities }
func (p *peer) SetClientCapabilities(v mcp.ClientCapabilities) {
	p.record.Capabilities = v
}
func (p *peer) ProtocolVersion() string          { return p.record.Protocol }
func (p *peer) SetProtocolVersion(v string)      { p.record.Protocol = v }
func (p *peer) GetLogLevel() mcp.LoggingLevel    { return p.record.Level }
func (p *peer) SetLogLevel(l mcp.LoggingLevel)   { p.fail(p.handler.setLevel(p, l)) }
func (p *peer) SubscribeToResource(uri string)   { p.fail(p.SubscribeToResourceErr(uri)) }
func (p *peer) UnsubscribeFromResource(u string) { p.fail(p.handler.unsubscribe(p, u)) }

func (h *Handler) setLevel(p *peer, level mcp.LoggingLevel) error {
	return h.sessions.SetLevel(p.call.ctx, p.record.ID, level)
}

// SubscribeToResourceErr refuses resources that do not exist.
func (p *peer) SubscribeToResourceErr(uri string) error {
	if _, ok := p.handler.server.ListResources()[uri]; !ok {
		return fmt.Errorf("resource not found: %q", uri)
	}
	if p.stateless() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.subscribed = append(p.subscribed, uri)
		return nil
	}
	err := p.handler.sessions.Subscribe(p.call.ctx, p.record.ID, uri)
	p.fail(err)
	return err
}

func (h *Handler) unsubscribe(p *peer, uri string) error {
	if p.stateless() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.subscribed = slices.DeleteFunc(p.subscribed, func(s string) bool { return s == uri })
		return nil
	}
	return h.sessions.Unsubscribe(p.call.ctx, p.record.ID, uri)
}

// SubscribedResources lists the session's or the listen stream's subscriptions.
func (p *peer) SubscribedResources() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.record.Subscribed, p.subscribed)
}

func (p *peer) IsSubscribedToResource(uri string) bool {
	return slices.Contains(p.SubscribedResources(), uri)
}

// SetSubscriptionFilter is called by subscriptions/listen.
func (p *peer) SetSubscriptionFilter(f mcp.SubscriptionFilter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.filter = f
}

// SubscriptionFilter tells what a listen stream asked for.
func (p *peer) SubscriptionFilter() (mcp.SubscriptionFilter, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.filter, !p.filter.IsEmpty()
}

// RequestSampling asks the client's model, on the stream of the running call.
func (p *peer) RequestSampling(ctx context.Context, request mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	if p.record.Capabilities.Sampling == nil {
		return nil, errors.New("the client does not support sampling")
	}
	var result mcp.CreateMessageResult
	if err := p.ask(ctx, mcp.MethodSamplingCreateMessage, request.CreateMessageParams, &result); err != nil {
		return nil, err
	}
	content, err := mcp.ParseSamplingContent(result.Content)
	if err != nil {
		return nil, fmt.Errorf("the client's sampling answer: %w", err)
	}
	result.Content = content
	return &result, nil
}

// RequestElicitation asks the user, on the stream of the running call.
func (p *peer) RequestElicitation(ctx context.Context, request mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	if p.record.Capabilities.Elicitation == nil {
		return nil, errors.New("the client does not support elicitation")
	}
	var result mcp.ElicitationResult
	return &result, p.ask(ctx, mcp.MethodElicitationCreate, request.Params, &result)
}

// ListRoots asks for the client's roots, on the stream of the running call.
func (p *peer) ListRoots(ctx context.Context, _ mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	if p.record.Capabilities.Roots == nil {
		return nil, errors.New("the client does not support roots")
	}
	var result mcp.ListRootsResult
	return &result, p.ask(ctx, mcp.MethodListRoots, nil, &result)
}

// ask sends a request on the call's stream and decodes the answer, which any
// replica may have received.
func (p *peer) ask(ctx context.Context, method mcp.MCPMethod, params, result any) (err error) {
	ctx, running := p.handler.telemetry.BeginQuestion(ctx, string(method))
	defer func() {
		running.End(context.WithoutCancel(ctx), telemetry.Result{Protocol: p.record.Protocol, Failure: questionFailure(err)})
	}()
	if p.call == nil || p.call.stream == nil {
		return errors.New("no stream to ask the client on")
	}
	question := p.handler.sessions.NewQuestion(p.record.ID, p.handler.timing.Answer)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.handler.timing.Write)
		defer cancel()
		question.Close(ctx)
	}()
	request, err := encodeServerRequest(question.ID(), method, params)
	if err != nil {
		return err
	}
	if err := p.call.ask(ctx, question, request); err != nil {
		return fmt.Errorf("send %s: %w", method, err)
	}
	answer, err := question.Wait(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var response struct {
		Result json.RawMessage          `json:"result"`
		Error  *mcp.JSONRPCErrorDetails `json:"error"`
	}
	if err := json.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("decode answer to %s: %w", method, err)
	}
	if response.Error != nil {
		return fmt.Errorf("%w %s: %s (%d)", errRefused, method, response.Error.Message, response.Error.Code)
	}
	if err := json.Unmarshal(response.Result, result); err != nil {
		return fmt.Errorf("decode answer to %s: %w", method, err)
	}
	return nil
}

// errRefused begins the error of a question that the client refused.
var errRefused = errors.New("the client refused")

func encodeServerRequest(id string, method mcp.MCPMethod, params any) ([]byte, error) {
	text, err := json.Marshal(struct {
		Version string        `json:"jsonrpc"`
		ID      string        `json:"id"`
		Method  mcp.MCPMethod `json:"method"`
		Params  any           `json:"params,omitempty"`
	}{mcp.JSONRPC_VERSION, id, method, params})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", method, err)
	}
	return restoreZero(text), nil
}
