package mcphttp

import (
	"bytes"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

// encodeCallResult renders a response as encoding/json would, without the map
// that mcp-go builds for each result.
func encodeCallResult(id json.RawMessage, r *mcp.CallToolResult, meta json.RawMessage) ([]byte, error) {
	e := encoder{b: make([]byte, 0, 256)}
	e.b = append(e.b, `{"jsonrpc":"2.0","id":`...)
	e.compact(id)
	e.b = append(e.b, `,"result":{`...)
	switch {
	case meta != nil:
		e.b = append(append(append(e.b, `"_meta":`...), meta...), ',')
	case r.Meta != nil:
		e.field("_meta", r.Meta)
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, `"content":[`...)
	for i, content := range r.Content {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.content(content)
	}
	e.b = append(e.b, ']')
	if len(r.InputRequests) > 0 {
		e.next("inputRequests", r.InputRequests)
	}
	if r.IsError {
		e.next("isError", true)
	}
	if r.RequestState != "" {
		e.nextText("requestState", r.RequestState)
	}
	if r.ResultType != "" {
		e.nextText("resultType", string(r.ResultType))
	}
	if len(r.RawStructuredContent) > 0 {
		e.next("structuredContent", r.RawStructuredContent)
	} else if r.StructuredContent != nil {
		e.next("structuredContent", r.StructuredContent)
	}
	e.b = append(e.b, "}}"...)
	return e.b, e.err
}

// encoder appends JSON; its first error sticks.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) next(name string, value any) {
	e.b = append(e.b, ',')
	e.field(name, value)
}

func (e *encoder) nextText(name, text string) {
	e.b = append(e.b, ',')
	e.name(name)
	e.text(text)
}

// field appends a member whose name needs no escape.
func (e *encoder) field(name string, value any) {
	e.name(name)
	e.value(value)
}

func (e *encoder) name(name string) {
	e.b = append(append(append(e.b, '"'), name...), `":`...)
}

// text has most strings without reflection.
func (e *encoder) text(text string) {
	if isVerbatim(text) {
		e.b = append(append(append(e.b, '"'), text...), '"')
		return
	}
	e.value(text)
}

func (e *encoder) value(value any) {
	text, err := json.Marshal(value)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.b = append(e.b, text...)
}

// content has plain text, nearly all there is, without reflection.
func (e *encoder) content(content mcp.Content) {
	text, ok := content.(mcp.TextContent)
	if !ok || text.Annotations != nil || text.Meta != nil {
		e.value(content)
		return
	}
	e.b = append(e.b, '{')
	e.name("type")
	e.text(text.Type)
	e.nextText("text", text.Text)
	e.b = append(e.b, '}')
}

// isVerbatim reports whether encoding/json writes a string as it is.
func isVerbatim(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// compact appends what encoding/json would write for a raw message.
func (e *encoder) compact(raw json.RawMessage) {
	if !bytes.ContainsAny(raw, " \t\r\n<>&\u2028\u2029") {
		e.b = append(e.b, raw...)
		return
	}
	e.value(raw)
}
