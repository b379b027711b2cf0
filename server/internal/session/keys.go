package session

import (
	"crypto/sha256"
	"encoding/hex"
)

// keys names the keys of one session. See the package comment for the list.
type keys string

func (s keys) record() string              { return "mcp:{" + string(s) + "}" }
func (s keys) out() string                 { return "mcp:{" + string(s) + "}:out" }
func (s keys) gets() string                { return "mcp:{" + string(s) + "}:gets" }
func (s keys) stream(id string) string     { return "mcp:{" + string(s) + "}:s:" + id }
func (s keys) open() string                { return "mcp:{" + string(s) + "}:open" }
func (s keys) done() string                { return "mcp:{" + string(s) + "}:done" }
func (s keys) question(id string) string   { return "mcp:{" + string(s) + "}:q:" + id }
func (s keys) wake() string                { return "mcp:{" + string(s) + "}:wake" }
func principalKey(principal string) string { return "mcp:principal:{" + digest(principal) + "}" }
func subscribersKey(uri string) string     { return "mcp:subscribers:{" + digest(uri) + "}" }

const (
	busChannel  = "mcp:bus"
	presenceKey = "{mcp:bus}:presence" // in the slot of the channel's name
	secretKey   = "mcp:secret"
)

func replicaChannel(replica string) string { return "mcp:replica:" + replica }

// digest makes a key's part of fixed size from a stranger's or an identity
// provider's text.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// isID reports whether s has the form of an id made here: a bounded run of
// letters, digits, '-' and '_', which is safe in a key and in a header.
func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
