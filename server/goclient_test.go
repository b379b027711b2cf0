package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

const counterURI = "prynai://counter"

// TestGoClient has mcp-go's client, unmodified, use three replicas as one
// server, in both eras.
func TestGoClient(t *testing.T) {
	redis := "REDIS_URL=" + redistest.Start(t, "--appendonly", "no").URL
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = startReplica(t, "product", redis)
	}
	balancer := startBalancer(t, replicas...)
	for _, version := range []string{mcp.ProtocolVersion20251125, mcp.ProtocolVersion20260728} {
		t.Run(version, func(t *testing.T) {
			c := connectGoClient(t, balancer, version)
			t.Run("lists", c.testLists)
			t.Run("sampling", c.testSampling)
			t.Run("progress", c.testProgress)
			t.Run("subscription", c.testSubscription)
			if version == mcp.ProtocolVersion20251125 { // the stateless revision resumes nothing
				t.Run("resumption", c.testResumption)
			}
		})
	}
}

// goClient notes what its client is notified of.
type goClient struct {
	*client.Client
	balancer *balancer
	version  string

	mu       sync.Mutex
	progress []string
	updates  int
	acked    bool
	onStep   func(steps int)
}

func connectGoClient(t *testing.T, b *balancer, version string) *goClient {
	t.Helper()
	options := []transport.StreamableHTTPCOption{transport.WithHTTPLogger(slog.New(slog.DiscardHandler))}
	if version == mcp.ProtocolVersion20251125 {
		//nolint:staticcheck // deprecated since 2026-07-28; the older revisions have it
		options = append(options, transport.WithContinuousListening())
	}
	wire, err := transport.NewStreamableHTTP(b.URL+"/mcp", options...)
	if err != nil {
		t.Fatal(err)
	}
	c := &goClient{balancer: b, version: version}
	c.Client = client.NewClient(wire, client.WithSamplingHandler(c))
	c.OnNotification(c.notified)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // it cannot be told whether its DELETE arrived
	var request mcp.InitializeRequest
	request.Params.ProtocolVersion = version
	request.Params.ClientInfo = mcp.Implementation{Name: "go", Version: "1"}
	if _, err := c.Initialize(ctx, request); err != nil {
		t.Fatal(err)
	}
	if got := c.ProtocolVersion(); got != version {
		t.Fatalf("negotiated %s, want %s", got, version)
	}
	return c
}

// CreateMessage is the client's model.
func (c *goClient) CreateMessage(_ context.Context, request mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	question := mcp.GetTextFromContent(request.Messages[0].Content)
	return &mcp.CreateMessageResult{
		Model: "test",
		SamplingMessage: mcp.SamplingMessage{
			Role:    mcp.RoleAssistant,
			Content: mcp.NewTextContent("summary of " + question),
		},
	}, nil
}

func (c *goClient) notified(n mcp.JSONRPCNotification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n.Method {
	case string(mcp.MethodNotificationProgress):
		c.progress = append(c.progress, fmt.Sprint(n.Params.AdditionalFields["message"]))
		if c.onStep != nil {
			c.onStep(len(c.progress))
		}
	case mcp.MethodNotificationResourceUpdated:
		c.updates++
	case mcp.MethodNotificationSubscriptionsAcknowledged:
		c.acked = true
	}
}

// call returns the text of a tool's answer.
func (c *goClient) call(t *testing.T, tool string, arguments map[string]any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var request mcp.CallToolRequest
	request.Params.Name = tool
	request.Params.Arguments = arguments
	request.Params.Meta = &mcp.Meta{ProgressToken: "token"}
	result, err := c.CallTool(ctx, request)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	if result.IsError || len(result.Content) != 1 {
		t.Fatalf("%s: %+v", tool, result)
	}
	return mcp.GetTextFromContent(result.Content[0])
}

// until waits for what the client is notified of.
func (c *goClient) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		met := condition()
		c.mu.Unlock()
		if met {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (c *goClient) testLists(t *testing.T) {
	for range c.balancer.replicas {
		tools, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
		if err != nil || !slices.ContainsFunc(tools.Tools, func(tool mcp.Tool) bool { return tool.Name == "long_task" }) {
			t.Errorf("tools: %+v, %v", tools, err)
		}
		resources, err := c.ListResources(t.Context(), mcp.ListResourcesRequest{})
		if err != nil || len(resources.Resources) != 2 {
			t.Errorf("resources: %+v, %v", resources, err)
		}
		prompts, err := c.ListPrompts(t.Context(), mcp.ListPromptsRequest{})
		if err != nil || len(prompts.Prompts) != 1 {
			t.Errorf("prompts: %+v, %v", prompts, err)
		}
	}
}

func (c *goClient) testSampling(t *testing.T) {
	for range c.balancer.replicas {
		got := c.call(t, "summarize_via_client_llm", map[string]any{"text": "a text"})
		if want := "summary of Summarize: a text"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func (c *goClient) testProgress(t *testing.T) { c.runLongTask(t, 5) }

// runLongTask checks that every step is told, once and in order, before the
// call returns.
func (c *goClient) runLongTask(t *testing.T, steps int) {
	t.Helper()
	c.mu.Lock()
	c.progress = nil
	c.mu.Unlock()
	if got := c.call(t, "long_task", map[string]any{"steps": steps}); got != "done" {
		t.Errorf("got %q", got)
	}
	var want []string
	for step := 1; step <= steps; step++ {
		want = append(want, fmt.Sprintf("step %d/%d", step, steps))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.progress, want) {
		t.Errorf("progress %q, want %q", c.progress, want)
	}
}

func (c *goClient) testSubscription(t *testing.T) {
	other := connectGoClient(t, c.balancer, c.version)
	c.subscribe(t)
	for bump := 1; bump <= 3; bump++ { // one on each replica
		other.call(t, "bump_counter", nil)
		c.until(t, "an update", func() bool { return c.updates >= bump })
	}
	c.until(t, "three updates", func() bool { return c.updates == 3 })
	other.mu.Lock()
	defer other.mu.Unlock()
	if other.updates > 0 {
		t.Error("an update came to a client that is not subscribed")
	}
}

// subscribe returns when the server has the subscription.
func (c *goClient) subscribe(t *testing.T) {
	t.Helper()
	if c.version == mcp.ProtocolVersion20251125 {
		var request mcp.SubscribeRequest
		request.Params.URI = counterURI
		//nolint:staticcheck // deprecated since 2026-07-28; the older revisions have it
		if err := c.Subscribe(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		return
	}
	stop, err := c.ListenAsync(context.WithoutCancel(t.Context()),
		mcp.SubscriptionFilter{ResourceSubscriptions: []string{counterURI}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c.until(t, "the acknowledgement", func() bool { return c.acked })
}

// testResumption ends the stream in good order: one that breaks off is not
// resumed by this client. The client's own stream ends too, so that of the
// three replicas neither of the two GET requests reaches the one that runs the
// call.
func (c *goClient) testResumption(t *testing.T) {
	c.mu.Lock()
	c.onStep = func(steps int) {
		if steps == 3 {
			c.balancer.endReplies()
		}
	}
	c.mu.Unlock()
	c.runLongTask(t, 12)
	c.balancer.resumedElsewhere(t, `"steps":12`)
}
