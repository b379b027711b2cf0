package mcphttp

import (
	"bytes"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
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
	read := func(name string, into any) {
		if value, ok := fields[name]; ok && json.Unmarshal(value, into) != nil {
			m.malformed = true
		}
	}
	read(mcp.MetaKeyProtocolVersion, &m.Version)
	read(mcp.MetaKeyClientInfo, &m.Client)
	read(mcp.MetaKeyClientCapabilities, &m.Capabilities)
	read(mcp.MetaKeyLogLevel, &m.Level)
	return nil
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
