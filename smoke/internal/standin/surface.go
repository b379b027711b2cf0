package standin

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func (s *Server) surface() *server.MCPServer {
	m := server.NewMCPServer("PrynAI MCP", Build,
		server.WithLogging(), server.WithCompletions(), server.WithResourceCapabilities(true, false),
		server.WithPromptCompletionProvider(tones{s}))
	m.EnableSampling()
	m.AddTool(mcp.NewTool("add"), s.add)
	m.AddTool(mcp.NewTool("echo"), s.echo)
	m.AddTool(mcp.NewTool("long_task"), s.longTask)
	m.AddTool(mcp.NewTool("summarize_via_client_llm"), s.summarize)
	m.AddTool(mcp.NewTool("bump_counter"), s.bump)
	m.AddResource(mcp.NewResource("prynai://status", "status"), s.text(func() string {
		if s.broken("status") {
			return "degraded"
		}
		return "ok"
	}))
	m.AddResource(mcp.NewResource("prynai://counter", "counter"), s.text(func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken("counter") {
			return "0"
		}
		return strconv.FormatInt(s.counter, 10)
	}))
	m.AddPrompt(mcp.NewPrompt("quick_summary", mcp.WithArgument("title"), mcp.WithArgument("tone")), s.prompt)
	return m
}

func (s *Server) add(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	sum := r.GetInt("a", 0) + r.GetInt("b", 0)
	if s.broken("sum") {
		sum++
	}
	return mcp.NewToolResultText(strconv.Itoa(sum)), nil
}

func (s *Server) echo(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	message := r.GetString("message", "")
	if !s.broken("log") {
		if err := s.mcp.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "", "echo called: "+message)); err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText(message), nil
}

func (s *Server) longTask(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	steps := r.GetInt("steps", 3)
	pace := time.Millisecond
	if s.broken("slow") {
		pace = 100 * time.Millisecond
	}
	for i := 1; i <= steps; i++ {
		select {
		case <-time.After(pace):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n := i
		if s.broken("progress") {
			n = steps + 1 - i
		}
		if r.Params.Meta == nil || r.Params.Meta.ProgressToken == nil {
			continue
		}
		err := s.mcp.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
			"progressToken": r.Params.Meta.ProgressToken, "progress": float64(n) / float64(steps), "total": 1.0,
			"message": fmt.Sprintf("step %d/%d", n, steps)})
		if err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText("done"), nil
}

func (s *Server) summarize(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if s.broken("sampling") {
		return mcp.NewToolResultText("sampling unavailable"), nil
	}
	const key = "summary"
	answer := server.SamplingResponse(r.Params.InputResponses, key)
	if answer == nil {
		return server.NewInputRequestBuilder("").Sample(key, mcp.CreateMessageParams{
			MaxTokens: 64,
			Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent("Summarize: " + r.GetString("text", ""))}},
		}).ToolResult(), nil
	}
	content, err := mcp.ParseSamplingContent(answer.Content)
	if err != nil {
		return nil, err
	}
	text, ok := content.(mcp.TextContent)
	if !ok {
		return nil, fmt.Errorf("the client answered with %T", content)
	}
	return mcp.NewToolResultText(text.Text), nil
}

func (s *Server) bump(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counter += int64(r.GetInt("step", 1))
	if s.broken("counting") { // others do, too
		s.counter++
	}
	if !s.broken("subscription") {
		for _, session := range s.sessions {
			session.updated("prynai://counter")
		}
	}
	return mcp.NewToolResultText(strconv.FormatInt(s.counter, 10)), nil
}

func (s *Server) text(value func() string) server.ResourceHandlerFunc {
	return func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, MIMEType: "text/plain", Text: value()}}, nil
	}
}

func (s *Server) prompt(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	text := fmt.Sprintf("Write a %s summary of %q.", r.Params.Arguments["tone"], r.Params.Arguments["title"])
	if s.broken("prompt") {
		text = "Write."
	}
	return mcp.NewGetPromptResult("", []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(text))}), nil
}

type tones struct{ server *Server }

func (t tones) CompletePromptArgument(context.Context, string, mcp.CompleteArgument, mcp.CompleteContext) (*mcp.Completion, error) {
	if t.server.broken("completion") {
		return &mcp.Completion{Values: []string{}}, nil
	}
	return &mcp.Completion{Values: []string{"formal", "informal"}}, nil
}
