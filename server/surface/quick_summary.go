package surface

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	quickSummaryName = "quick_summary"
	toneArgument     = "tone"
)

var tones = []string{"formal", "informal"}

func quickSummary() server.ServerPrompt {
	return server.ServerPrompt{
		Prompt: mcp.NewPrompt(quickSummaryName,
			mcp.WithPromptDescription("Asks for a short summary of a document."),
			mcp.WithArgument("title", mcp.ArgumentDescription("title of the document; Untitled by default")),
			mcp.WithArgument(toneArgument, mcp.ArgumentDescription("formal (the default) or informal"))),
		Handler: func(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			title, tone := "Untitled", tones[0]
			if v := request.Params.Arguments["title"]; v != "" {
				title = v
			}
			if v := request.Params.Arguments[toneArgument]; v != "" {
				tone = v
			}
			if !slices.Contains(tones, tone) {
				return nil, fail(fmt.Sprintf("tone must be %s, not %q", strings.Join(tones, " or "), tone), nil)
			}
			text := fmt.Sprintf("Please write a short, %s summary of the document titled %q.", tone, title)
			return mcp.NewGetPromptResult("Quick summary", []mcp.PromptMessage{
				mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(text)),
			}), nil
		},
	}
}

// completions completes the arguments of prompts.
type completions struct{}

func (completions) CompletePromptArgument(_ context.Context, prompt string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	values := []string{}
	if prompt == quickSummaryName && argument.Name == toneArgument {
		for _, tone := range tones {
			if strings.HasPrefix(tone, argument.Value) {
				values = append(values, tone)
			}
		}
	}
	return &mcp.Completion{Values: values, Total: len(values)}, nil
}
