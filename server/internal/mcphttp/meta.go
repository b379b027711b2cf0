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
	var values [4][]byte
	o, ok := jsonobject.Open(text)
	for ok && o.Next() {
		switch string(o.Name) {
		case mcp.MetaKeyProtocolVersion:
			values[0] = o.Value
		case mcp.MetaKeyClientInfo:
			values[1] = o.Value
		case mcp.MetaKeyClientCapabilities:
			values[2] = o.Value
		case mcp.MetaKeyLogLevel:
			values[3] = o.Value
		}
	}
	m.read(values[0], &m.Version)
	m.read(values[1], &m.Client)
	m.read(values[2], &m.Capabilities)
	m.read(values[3], &m.Level)
	return ok && o.Plain
}

func (m *requestMeta) read(value []byte, into any) {
	if value != nil && json.Unmarshal(value, into) != nil {
		m.malformed = true
	}
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
