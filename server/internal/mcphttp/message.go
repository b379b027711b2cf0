package mcphttp

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/jsonobject"
)

// message is what the transport must know of a JSON-RPC message; the rest is
// mcp-go's to decode.
type message struct {
	raw     []byte
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
	Params  json.RawMessage `json:"params"`

	decoded     *params // see params
	decodeError error
	tool        *server.ServerTool // see Handler.namedTool
}

// params are the parameters that the transport reads itself.
type params struct {
	Name           string          `json:"name"`
	URI            string          `json:"uri"`
	Meta           *requestMeta    `json:"_meta"`
	Arguments      json.RawMessage `json:"arguments"`
	Task           json.RawMessage `json:"task"`
	InputResponses json.RawMessage `json:"inputResponses"`
	RequestState   string          `json:"requestState"`
	RequestID      json.RawMessage `json:"requestId"`
}

var errNotJSON = errors.New("the body is not a JSON-RPC 2.0 message")

// parseMessage reads one JSON-RPC message, without its parameters.
func parseMessage(raw []byte) (*message, error) {
	m := &message{raw: raw}
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	if !m.scan(raw) {
		*m = message{raw: raw}
		if err := json.Unmarshal(raw, m); err != nil {
			return nil, errNotJSON
		}
	}
	if len(m.ID) > 0 && !isRequestID(m.ID) {
		return nil, errors.New("the id of a request is a string or a number")
	}
	if m.Method == "" && (len(m.ID) == 0 || len(m.Result) == 0 && len(m.Error) == 0) {
		return nil, errNotJSON
	}
	return m, nil
}

// scan reads a message as encoding/json would, or reports that this is better
// left to it.
func (m *message) scan(raw []byte) bool {
	o, ok := jsonobject.Open(raw)
	for ok && o.Next() {
		switch string(o.Name) {
		case "jsonrpc":
			ok = o.Text(&m.Version)
		case "id":
			m.ID = o.Value
		case "method":
			ok = o.Text(&m.Method)
		case "result":
			m.Result = o.Value
		case "error":
			m.Error = o.Value
		case "params":
			m.Params = o.Value
		default:
			ok = !o.IsOneOf("jsonrpc", "id", "method", "result", "error", "params")
		}
	}
	return ok && o.Plain
}

// scan reads parameters as encoding/json would, or reports that this is better
// left to it.
func (p *params) scan(raw []byte) bool {
	o, ok := jsonobject.Open(raw)
	for ok && o.Next() {
		switch string(o.Name) {
		case "name":
			ok = o.Text(&p.Name)
		case "uri":
			ok = o.Text(&p.URI)
		case "_meta":
			ok = p.Meta == nil && o.Value[0] == '{'
			p.Meta = &requestMeta{}
			ok = ok && p.Meta.scan(o.Value)
		case "arguments":
			p.Arguments = o.Value
		case "task":
			p.Task = o.Value
		case "inputResponses":
			p.InputResponses = o.Value
		case "requestState":
			ok = o.Text(&p.RequestState)
		case "requestId":
			p.RequestID = o.Value
		default:
			ok = !o.IsOneOf("name", "uri", "_meta", "arguments", "task", "inputResponses", "requestState", "requestId")
		}
	}
	return ok && o.Plain
}

// isRequestID reports whether an id is of a type that JSON-RPC and MCP allow.
func isRequestID(id json.RawMessage) bool {
	const longest = 1024
	c := id[0]
	return len(id) <= longest && (c == '"' || c == '-' || '0' <= c && c <= '9')
}

func (m *message) isRequest() bool      { return m.Method != "" && len(m.ID) > 0 }
func (m *message) isNotification() bool { return m.Method != "" && len(m.ID) == 0 }

// params decodes the parameters once. With an error comes what could be read:
// what is of the wrong type is mcp-go's to answer.
func (m *message) params() (*params, error) {
	if m.decoded == nil {
		m.decoded = &params{}
		if len(m.Params) > 0 && !m.decoded.scan(m.Params) {
			*m.decoded = params{}
			m.decodeError = json.Unmarshal(m.Params, m.decoded)
		}
	}
	return m.decoded, m.decodeError
}

// meta is the request's _meta, which the stateless revision puts in every
// request, or nil.
func (m *message) meta() *requestMeta {
	if !bytes.Contains(m.Params, []byte(`"_meta"`)) {
		return nil
	}
	p, _ := m.params()
	return p.Meta
}

// splitBatch splits a JSON array of messages, and reports whether it is one.
func splitBatch(body []byte) ([]json.RawMessage, bool) {
	if trimmed := jsonobject.SkipSpace(body); len(trimmed) == 0 || trimmed[0] != '[' {
		return nil, false
	}
	var parts []json.RawMessage
	if json.Unmarshal(body, &parts) != nil {
		return nil, true
	}
	return parts, true
}

// encodeReply renders mcp-go's reply to a request under the id as the client
// wrote it: mcp-go decodes ids as floating point, which changes large ones.
func encodeReply(m *message, reply mcp.JSONRPCMessage) ([]byte, int, error) {
	switch r := reply.(type) {
	case mcp.JSONRPCResponse:
		body, err := encodeResult(m.ID, r.Result)
		return body, 0, err
	case mcp.JSONRPCError:
		if r.Error.Data == nil && m.namesNoResource(r.Error.Code) {
			r.Error.Data = map[string]any{"uri": m.resourceURI()}
		}
		body, err := encodeError(m.ID, r.Error)
		return body, r.Error.Code, err
	default:
		body, err := json.Marshal(reply)
		return body, 0, err
	}
}

func encodeResult(id json.RawMessage, result any) ([]byte, error) {
	switch r := result.(type) {
	case *mcp.CallToolResult:
		return encodeCallResult(id, r, nil)
	case completeResult:
		return encodeCallResult(id, r.CallToolResult, r.meta)
	}
	return json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result"`
	}{mcp.JSONRPC_VERSION, id, result})
}

// encodeError renders an error for a request, or one each for a batch of them.
func encodeError(id json.RawMessage, details mcp.JSONRPCErrorDetails) ([]byte, error) {
	type response struct {
		Version string                  `json:"jsonrpc"`
		ID      json.RawMessage         `json:"id"`
		Error   mcp.JSONRPCErrorDetails `json:"error"`
	}
	switch {
	case len(id) == 0:
		id = json.RawMessage("null")
	case id[0] == '[':
		var batch []json.RawMessage
		if err := json.Unmarshal(id, &batch); err != nil {
			return nil, err
		}
		responses := make([]response, len(batch))
		for i, id := range batch {
			responses[i] = response{mcp.JSONRPC_VERSION, id, details}
		}
		return json.Marshal(responses)
	}
	return json.Marshal(response{mcp.JSONRPC_VERSION, id, details})
}

// namesNoResource reports whether an error code says that the resource to be read
// is unknown; mcp-go's error leaves out which, and the specification wants it.
func (m *message) namesNoResource(code int) bool {
	return m.Method == string(mcp.MethodResourcesRead) && m.resourceURI() != "" &&
		(code == mcp.RESOURCE_NOT_FOUND || code == mcp.INVALID_PARAMS)
}

// resourceURI is the resource that the parameters name.
func (m *message) resourceURI() string {
	p, _ := m.params()
	return p.URI
}
