package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// roundTools ask the client by answering that input is required (SEP-2322). A
// handler starts from the top in each round.
func roundTools() []server.ServerTool {
	return []server.ServerTool{
		tool("test_input_required_result_elicitation", "Asks for a name.", greet),
		tool("test_streaming_elicitation", "Asks for a name.", greet),
		tool("test_input_required_result_sampling", "Asks the client's model.", askModel),
		tool("test_missing_capability", "Asks the client's model.", askModel),
		tool("test_input_required_result_list_roots", "Asks for the client's roots.", askRoots),
		tool("test_input_required_result_request_state", "Asks for a confirmation, with state.", confirm),
		tool("test_input_required_result_tampered_state", "Asks for a confirmation, with state.", confirm),
		tool("test_input_required_result_multiple_inputs", "Asks for a name, a greeting and roots.", askAll),
		tool("test_input_required_result_multi_round", "Asks for a name, then for a color.", askTwice),
		tool("test_input_required_result_capabilities", "Asks what the client can answer.", askWhatIsPossible),
	}
}

// question is what the user is asked: one required property.
func question(message, name, kind string) mcp.ElicitationParams {
	return mcp.ElicitationParams{
		Message:         message,
		RequestedSchema: object(map[string]any{name: property(kind)}, name),
	}
}

var nameQuestion = question("What is your name?", "name", "string")

// answered is the property of the user's answer to a question, or nil.
func answered(request mcp.CallToolRequest, key, name string) any {
	answer := server.ElicitationResponse(request.Params.InputResponses, key)
	if answer == nil || answer.Action != mcp.ElicitationResponseActionAccept {
		return nil
	}
	values, _ := answer.Content.(map[string]any)
	return values[name]
}

func greet(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	name, ok := answered(request, "user_name", "name").(string)
	if !ok {
		return server.NewInputRequestBuilder("").Elicit("user_name", nameQuestion).ToolResult(), nil
	}
	return mcp.NewToolResultText(fmt.Sprintf("Hello, %s!", name)), nil
}

func askModel(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	const key = "capital_question"
	answer := server.SamplingResponse(request.Params.InputResponses, key)
	if answer == nil {
		return server.NewInputRequestBuilder("").
			Sample(key, samplingParams("What is the capital of France?", 100)).ToolResult(), nil
	}
	reply, err := mcp.ParseSamplingContent(answer.Content)
	if err != nil {
		return nil, err
	}
	text, _ := reply.(mcp.TextContent)
	return content(text), nil
}

func askRoots(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	const key = "client_roots"
	roots := server.RootsResponse(request.Params.InputResponses, key)
	if roots == nil {
		return server.NewInputRequestBuilder("").Roots(key).ToolResult(), nil
	}
	return mcp.NewToolResultText(fmt.Sprintf("%d roots", len(roots.Roots))), nil
}

// The states are plain words: the transport seals them.
const (
	confirming = "confirming"
	firstStep  = "first step"
	secondStep = "second step of "
)

func confirm(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if answered(request, "confirm", "ok") == nil {
		return server.NewInputRequestBuilder(confirming).
			Elicit("confirm", question("Please confirm", "ok", "boolean")).ToolResult(), nil
	}
	if request.Params.RequestState != confirming {
		return nil, errors.New("the request state is not the one that was sent")
	}
	return mcp.NewToolResultText("state-ok"), nil
}

func askAll(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answers := request.Params.InputResponses
	if server.ElicitationResponse(answers, "user_name") == nil ||
		server.SamplingResponse(answers, "greeting") == nil ||
		server.RootsResponse(answers, "client_roots") == nil {
		return server.NewInputRequestBuilder(firstStep).
			Elicit("user_name", nameQuestion).
			Sample("greeting", samplingParams("Generate a greeting", 50)).
			Roots("client_roots").ToolResult(), nil
	}
	return mcp.NewToolResultText("all three are answered"), nil
}

func askTwice(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	state := request.Params.RequestState
	if name, ok := strings.CutPrefix(state, secondStep); ok {
		if color, ok := answered(request, "step2", "color").(string); ok {
			return mcp.NewToolResultText(name + " likes " + color), nil
		}
	}
	if name, ok := answered(request, "step1", "name").(string); ok && state == firstStep {
		return server.NewInputRequestBuilder(secondStep+name).
			Elicit("step2", question("Step 2: What is your favorite color?", "color", "string")).ToolResult(), nil
	}
	return server.NewInputRequestBuilder(firstStep).
		Elicit("step1", question("Step 1: What is your name?", "name", "string")).ToolResult(), nil
}

func askWhatIsPossible(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	info := server.RequestProtocolInfoFromContext(ctx)
	ask := server.NewInputRequestBuilder("")
	if info != nil && info.ClientCapabilities != nil {
		if info.ClientCapabilities.Sampling != nil {
			ask.Sample("greeting", samplingParams("Generate a greeting", 50))
		}
		if info.ClientCapabilities.Elicitation != nil {
			ask.Elicit("user_name", nameQuestion)
		}
	}
	return ask.ToolResult(), nil
}
