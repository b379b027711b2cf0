package surface

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/auth"
	"github.com/prynai/prynai-mcp/server/internal/mcphttp"
)

type summarizeInput struct {
	Text string `json:"text" jsonschema:"the text to summarize"`
}

const (
	summaryTokens   = 64
	samplingTimeout = 60 * time.Second
	summaryRequest  = "summary" // the key of the client's answer in the stateless revision
	unavailable     = "sampling unavailable"
)

func summarizeViaClientLLM() Tool {
	tool := mcp.NewTool("summarize_via_client_llm",
		mcp.WithToolTitle("Summarize with the client's model"),
		mcp.WithDescription("Asks the client's own language model for a short summary of the text and returns it. "+
			"Answers \"sampling unavailable\" when the client offers no model."),
		mcp.WithReadOnlyHintAnnotation(true),
		mcp.WithIdempotentHintAnnotation(false),
		mcp.WithDestructiveHintAnnotation(false),
		mcp.WithOpenWorldHintAnnotation(true),
	)
	return define(tool, auth.None, summarizeInput{}, nil,
		func(ctx context.Context, request mcp.CallToolRequest, in summarizeInput) (*mcp.CallToolResult, error) {
			if server.IsModernRequest(ctx) {
				return summarizeInRounds(ctx, request, in)
			}
			ctx, cancel := context.WithTimeout(ctx, samplingTimeout)
			defer cancel()
			client, ok := server.ClientSessionFromContext(ctx).(server.SessionWithSampling)
			if !ok {
				return samplingUnavailable(ctx, "the connection cannot carry requests to the client")
			}
			answer, err := client.RequestSampling(ctx, mcp.CreateMessageRequest{CreateMessageParams: summaryParams(in.Text)})
			if err != nil {
				return samplingUnavailable(ctx, err.Error())
			}
			return summary(ctx, answer)
		})
}

// summarizeInRounds serves the stateless revision: the first round answers with
// the request for the client's model, the second brings its reply.
func summarizeInRounds(ctx context.Context, request mcp.CallToolRequest, in summarizeInput) (*mcp.CallToolResult, error) {
	info := server.RequestProtocolInfoFromContext(ctx)
	if info.ClientCapabilities == nil || info.ClientCapabilities.Sampling == nil {
		return samplingUnavailable(ctx, "the client does not support sampling")
	}
	if _, answered := server.InputResponse(request.Params.InputResponses, summaryRequest); !answered {
		return server.NewInputRequestBuilder("").Sample(summaryRequest, summaryParams(in.Text)).ToolResult(), nil
	}
	answer := server.SamplingResponse(request.Params.InputResponses, summaryRequest)
	if answer == nil {
		return samplingUnavailable(ctx, "the client refused")
	}
	return summary(ctx, answer)
}

func summaryParams(text string) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{
		Messages: []mcp.SamplingMessage{{
			Role:    mcp.RoleUser,
			Content: mcp.NewTextContent("Summarize: " + text),
		}},
		MaxTokens:   summaryTokens,
		Temperature: mcphttp.ExplicitZero,
	}
}

func summary(ctx context.Context, answer *mcp.CreateMessageResult) (*mcp.CallToolResult, error) {
	content, err := mcp.ParseSamplingContent(answer.Content)
	if err != nil {
		return samplingUnavailable(ctx, "the client's answer could not be read")
	}
	text, ok := content.(mcp.TextContent)
	if !ok {
		return samplingUnavailable(ctx, "the client's answer is not a text")
	}
	return mcp.NewToolResultText(text.Text), nil
}

// samplingUnavailable answers the tool's agreed text; the reason goes to the
// client's log.
func samplingUnavailable(ctx context.Context, reason string) (*mcp.CallToolResult, error) {
	if err := logTo(ctx, mcp.LoggingLevelWarning, unavailable+": "+reason); err != nil {
		return nil, err
	}
	return mcp.NewToolResultText(unavailable), nil
}
