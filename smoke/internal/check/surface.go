package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
)

const (
	statusURI  = "prynai://status"
	counterURI = "prynai://counter"
)

// requiredTools are the ones that every server has; a team's own come on top.
var requiredTools = []string{"add", "bump_counter", "echo", "long_task", "summarize_via_client_llm"}

func (s *Suite) tools(ctx context.Context) (string, error) {
	list, err := s.plain.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return "", err
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	s.Announce(s.Redact("TOOLS: [" + strings.Join(names, ", ") + "]"))
	for _, name := range requiredTools {
		if !slices.Contains(names, name) {
			return "", &mismatch{
				expected: strings.Join(requiredTools, ", "), got: strings.Join(names, ", "),
				cause: name + " is missing: the image was built from a source without it, or the token lacks the role that the tool needs"}
		}
	}
	return strconv.Itoa(len(names)), nil
}

func (s *Suite) add(ctx context.Context) (string, error) {
	sum, err := addSevenAndEight(ctx, s.plain)
	if err != nil {
		return "", err
	}
	s.Announce(fmt.Sprintf("ADD RESULT: %d", sum))
	if sum != 15 {
		return "", &mismatch{got: fmt.Sprint(sum), cause: "the tool add is wrong in this build"}
	}
	return "", nil
}

func addSevenAndEight(ctx context.Context, c *connection) (int64, error) {
	return c.callForNumber(ctx, "add", map[string]any{"a": 7, "b": 8})
}

func (s *Suite) status(ctx context.Context) (string, error) {
	text, err := s.plain.readText(ctx, statusURI)
	if err != nil {
		return "", err
	}
	s.Announce(s.Redact("STATUS: " + excerpt([]byte(text))))
	if text != "ok" {
		return "", &mismatch{got: strconv.Quote(excerpt([]byte(text)))}
	}
	return "", nil
}

func (c *connection) readStatus(ctx context.Context) error {
	text, err := c.readText(ctx, statusURI)
	if err == nil && text != "ok" {
		err = &mismatch{expected: statusURI + " = ok", got: strconv.Quote(excerpt([]byte(text)))}
	}
	return err
}

func (s *Suite) progress(ctx context.Context) (string, error) {
	came, err := s.longTask(ctx, 3)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d notifications", len(came)), nil
}

// longTask calls long_task and returns the progress that came before its
// answer, which must be complete and in order.
func (s *Suite) longTask(ctx context.Context, steps int) ([]notification, error) {
	const token = "smoke-progress"
	s.plain.inbox.clear()
	request := toolCall("long_task", map[string]any{"steps": steps})
	request.Params.Meta = &mcp.Meta{ProgressToken: token}
	if _, err := s.plain.call(ctx, request); err != nil {
		return nil, err
	}
	came := s.plain.inbox.with("notifications/progress")
	var want, got []string
	for i := range steps {
		want = append(want, fmt.Sprintf("step %d/%d", i+1, steps))
	}
	last := 0.0
	for _, n := range came {
		fields := n.Params.AdditionalFields
		progress, _ := fields["progress"].(float64)
		if fields["progressToken"] != token || progress <= last {
			return nil, &mismatch{got: fmt.Sprintf("a notification with token %v and progress %v after %v", fields["progressToken"], fields["progress"], last)}
		}
		last = progress
		got = append(got, fmt.Sprint(fields["message"]))
	}
	if !slices.Equal(got, want) {
		return nil, &mismatch{
			expected: strings.Join(want, ", "), got: "[" + excerpt([]byte(strings.Join(got, ", "))) + "]",
			cause: "notifications are lost or leave on another stream than their call's"}
	}
	return came, nil
}

func (s *Suite) log(ctx context.Context) (string, error) {
	const message = "smoke"
	s.plain.inbox.clear()
	text, err := s.plain.callForText(ctx, "echo", map[string]any{"message": message})
	if err != nil {
		return "", err
	}
	if text != message {
		return "", &mismatch{expected: "echo to answer " + strconv.Quote(message), got: strconv.Quote(excerpt([]byte(text)))}
	}
	var came []string
	for _, n := range s.plain.inbox.with("notifications/message") {
		data, _ := n.Params.AdditionalFields["data"].(string)
		if data == "echo called: "+message {
			return "", nil
		}
		came = append(came, data)
	}
	return "", &mismatch{
		got:   fmt.Sprintf("%d log messages: %s", len(came), excerpt([]byte(strings.Join(came, ", ")))),
		cause: "the session's log level is not kept between requests, or notifications are lost"}
}

func (s *Suite) bump(ctx context.Context) (int64, error) {
	return s.plain.callForNumber(ctx, "bump_counter", map[string]any{})
}

func (s *Suite) counter(ctx context.Context) (string, error) {
	// Others may count at the same time. One undisturbed round is enough; where
	// there is none, that the counter never goes backwards, whichever replica is
	// asked, tells it from counters of each replica's own.
	const rounds = 20
	var last, before, bumped, after int64
	for range rounds {
		var err1, err2, err3 error
		before, err1 = s.plain.readNumber(ctx, counterURI)
		bumped, err2 = s.bump(ctx)
		after, err3 = s.plain.readNumber(ctx, counterURI)
		if err := errors.Join(err1, err2, err3); err != nil {
			return "", err
		}
		if bumped <= before || after < bumped || before < last {
			return "", &mismatch{
				got:   fmt.Sprintf("the resource said %d, bump_counter answered %d, the resource then said %d", before, bumped, after),
				cause: "replicas do not share one Redis: one without REDIS_URL counts by itself"}
		}
		if last = after; bumped == before+1 && after == bumped {
			return fmt.Sprintf("%d -> %d", before, bumped), nil
		}
	}
	return fmt.Sprintf("%d -> %d, while others count too", before, bumped), nil
}

func (s *Suite) prompt(ctx context.Context) (string, error) {
	const title = "Smoke Report"
	request := mcp.GetPromptRequest{}
	request.Params.Name = "quick_summary"
	request.Params.Arguments = map[string]string{"title": title, "tone": "formal"}
	result, err := s.plain.GetPrompt(ctx, request)
	if err != nil {
		return "", err
	}
	var text string
	for _, message := range result.Messages {
		if content, ok := message.Content.(mcp.TextContent); ok {
			text += content.Text
		}
	}
	if !strings.Contains(text, title) || !strings.Contains(strings.ToLower(text), "formal") {
		return "", &mismatch{expected: "a text with " + strconv.Quote(title) + " and formal in it", got: strconv.Quote(excerpt([]byte(text)))}
	}
	return "", nil
}

func (s *Suite) completion(ctx context.Context) (string, error) {
	request := mcp.CompleteRequest{}
	request.Params.Ref = mcp.PromptReference{Type: "ref/prompt", Name: "quick_summary"}
	request.Params.Argument = mcp.CompleteArgument{Name: "tone"}
	result, err := s.plain.Complete(ctx, request)
	if err != nil {
		return "", err
	}
	values := result.Completion.Values
	if !slices.Contains(values, "formal") || !slices.Contains(values, "informal") {
		return "", &mismatch{got: "[" + excerpt([]byte(strings.Join(values, ", "))) + "]"}
	}
	return strings.Join(values, ", "), nil
}

func (s *Suite) sampling(ctx context.Context) (string, error) {
	return "", s.plain.summarize(ctx)
}

// summarize has the server ask this client's model: in the era of sessions by
// a request on the stream of the call, in the stateless one by an answer that
// asks for more, whereupon the library calls again.
func (c *connection) summarize(ctx context.Context) error {
	const text = "The smoke client asked for this."
	answer, err := c.callForText(ctx, "summarize_via_client_llm", map[string]any{"text": text})
	if err != nil {
		return err
	}
	asked, tokens, ok := c.model.lastAsked()
	switch {
	case !ok:
		return &mismatch{expected: "a request for this client's model", got: "none; the tool answered " + strconv.Quote(excerpt([]byte(answer))),
			cause: "the server's request did not come through, or the server lost what this client can do"}
	case asked != "Summarize: "+text || tokens != 64:
		return &mismatch{expected: "the request Summarize: " + text + ", 64 tokens", got: fmt.Sprintf("%q, %d tokens", excerpt([]byte(asked)), tokens)}
	case answer != modelAnswer:
		return &mismatch{expected: "the tool to answer " + strconv.Quote(modelAnswer), got: strconv.Quote(excerpt([]byte(answer))),
			cause: "the client's answer did not find its way back to the replica that waits for it"}
	}
	return nil
}

func toolCall(name string, arguments map[string]any) mcp.CallToolRequest {
	request := mcp.CallToolRequest{}
	request.Params.Name = name
	request.Params.Arguments = arguments
	return request
}

// call calls a tool and makes an error of a result that is one.
func (c *connection) call(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	result, err := c.CallTool(ctx, request)
	if err != nil {
		return nil, err
	}
	if result.IsError {
		return nil, &mismatch{got: "the tool " + request.Params.Name + " failed: " + excerpt([]byte(textOf(result.Content)))}
	}
	return result, nil
}

func (c *connection) callForText(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	result, err := c.call(ctx, toolCall(tool, arguments))
	if err != nil {
		return "", err
	}
	return textOf(result.Content), nil
}

func (c *connection) callForNumber(ctx context.Context, tool string, arguments map[string]any) (int64, error) {
	text, err := c.callForText(ctx, tool, arguments)
	if err != nil {
		return 0, err
	}
	return number(tool, text)
}

func (c *connection) readText(ctx context.Context, uri string) (string, error) {
	request := mcp.ReadResourceRequest{}
	request.Params.URI = uri
	result, err := c.ReadResource(ctx, request)
	if err != nil {
		return "", err
	}
	var text string
	for _, content := range result.Contents {
		if t, ok := content.(mcp.TextResourceContents); ok {
			text += t.Text
		}
	}
	return text, nil
}

func (c *connection) readNumber(ctx context.Context, uri string) (int64, error) {
	text, err := c.readText(ctx, uri)
	if err != nil {
		return 0, err
	}
	return number(uri, text)
}

func textOf(content []mcp.Content) string {
	var text string
	for _, c := range content {
		if t, ok := c.(mcp.TextContent); ok {
			text += t.Text
		}
	}
	return text
}

// number reads a text result that is an integer.
func number(source, text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, &mismatch{expected: "a whole number from " + source, got: strconv.Quote(excerpt([]byte(text)))}
	}
	return n, nil
}
