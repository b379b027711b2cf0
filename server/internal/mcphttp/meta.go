package mcphttp

import (
	"bytes"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/jsonobject"
)

// requestMeta is a request's _meta, decoded once into what the protocol says of
// it; mcp-go decodes it anew for each question.
type requestMeta struct {
	Version      string
	Client       *mcp.Implementation
	Capabilities *mcp.ClientCapabilities
	Level        mcp.LoggingLevel

	raw       json.RawMessage
	malformed bool // some value is of another type: mcp-go is to answer
}

// UnmarshalJSON keeps the text, and reads what is the protocol's.
func (m *requestMeta) UnmarshalJSON(text []byte) error {
	m.raw = bytes.Clone(text)
	if !bytes.Contains(text, []byte("io.modelcontextprotocol/")) {
		return nil
	}
	// By a map: the names of a struct's fields would be matched in any case.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	m.read(fields[mcp.MetaKeyProtocolVersion], &m.Version)
	m.read(fields[mcp.MetaKeyClientInfo], &m.Client)
	m.read(fields[mcp.MetaKeyClientCapabilities], &m.Capabilities)
	m.read(fields[mcp.MetaKeyLogLevel], &m.Level)
	return nil
}

// scan reads what is the protocol's, or reports that this is better left to
// encoding/json.
func (m *requestMeta) scan(text []byte) bool {
	m.raw = text
	var version, client, capabilities, level []byte
	o, ok := jsonobject.Open(text)
	for ok && o.Next() {
		switch string(o.Name) {
		case mcp.MetaKeyProtocolVersion:
			version = o.Value
		case mcp.MetaKeyClientInfo:
			client = o.Value
		case mcp.MetaKeyClientCapabilities:
			capabilities = o.Value
		case mcp.MetaKeyLogLevel:
			level = o.Value
		}
	}
	if !jsonobject.Text(version, &m.Version) {
		m.read(version, &m.Version)
	}
	if m.Client = plainClient(client); m.Client == nil {
		m.read(client, &m.Client)
	}
	if string(capabilities) == "{}" {
		m.Capabilities = &mcp.ClientCapabilities{}
	} else {
		m.read(capabilities, &m.Capabilities)
	}
	m.read(level, &m.Level)
	return ok && o.Plain
}

func (m *requestMeta) read(value []byte, into any) {
	if value != nil && json.Unmarshal(value, into) != nil {
		m.malformed = true
	}
}

// plainClient reads who the client is where it says so in the usual words. It
// returns nil for what is left to encoding/json.
func plainClient(value []byte) *mcp.Implementation {
	client := &mcp.Implementation{}
	o, ok := jsonobject.Open(value)
	for ok && o.Next() {
		switch string(o.Name) {
		case "name":
			ok = o.Text(&client.Name)
		case "title":
			ok = o.Text(&client.Title)
		case "version":
			ok = o.Text(&client.Version)
		default:
			ok = false
		}
	}
	if !ok {
		return nil
	}
	return client
}

// protocolVersion is what the request states, if it does.
func (m *requestMeta) protocolVersion() string {
	if m == nil {
		return ""
	}
	return m.Version
}

// generic is the whole of it, for handlers.
func (m *requestMeta) generic() (*mcp.Meta, error) {
	if m == nil || bytes.Equal(m.raw, []byte("null")) {
		return nil, nil
	}
	var meta mcp.Meta
	return &meta, json.Unmarshal(m.raw, &meta)
}
