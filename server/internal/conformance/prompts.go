package conformance

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func prompts() []server.ServerPrompt {
	return []server.ServerPrompt{
		prompt("test_simple_prompt", "Is a text.",
			user(mcp.NewTextContent("This is a simple prompt for testing."))),
		prompt("test_prompt_with_image", "Has an image.",
			user(mcp.NewImageContent(image, imageType)),
			user(mcp.NewTextContent("Please analyze the image above."))),
		{
			Prompt: describe("test_prompt_with_arguments", "Repeats its arguments.", "arg1", "arg2"),
			Handler: func(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				given := request.Params.Arguments
				text := fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", given["arg1"], given["arg2"])
				return messages(user(mcp.NewTextContent(text))), nil
			},
		},
		{
			Prompt: describe("test_prompt_with_embedded_resource", "Has a resource.", "resourceUri"),
			Handler: func(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				return messages(
					user(embedded(request.Params.Arguments["resourceUri"], textType, "Embedded resource content for testing.")),
					user(mcp.NewTextContent("Please process the resource above.")),
				), nil
			},
		},
		{
			Prompt:  describe("test_input_required_result_prompt", "Asks for its context."),
			Handler: askContext,
		},
	}
}

func describe(name, description string, required ...string) mcp.Prompt {
	options := []mcp.PromptOption{mcp.WithPromptDescription(description)}
	for _, argument := range required {
		options = append(options, mcp.WithArgument(argument, mcp.RequiredArgument()))
	}
	return mcp.NewPrompt(name, options...)
}

// prompt always answers the same.
func prompt(name, description string, answer ...mcp.PromptMessage) server.ServerPrompt {
	return server.ServerPrompt{
		Prompt: describe(name, description),
		Handler: func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return messages(answer...), nil
		},
	}
}

func messages(all ...mcp.PromptMessage) *mcp.GetPromptResult {
	return mcp.NewGetPromptResult("A fixture.", all)
}

func user(content mcp.Content) mcp.PromptMessage { return mcp.NewPromptMessage(mcp.RoleUser, content) }

func askContext(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	const key = "user_context"
	answer := server.ElicitationResponse(request.Params.InputResponses, key)
	if answer == nil {
		return server.NewInputRequestBuilder("").
			Elicit(key, question("What context should the prompt use?", "context", "string")).PromptResult(), nil
	}
	return messages(user(mcp.NewTextContent(fmt.Sprint("Context: ", answer.Content)))), nil
}
