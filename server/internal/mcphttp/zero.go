package mcphttp

import (
	"bytes"
	"math"
)

// ExplicitZero is a sampling temperature of zero that is sent. mcp-go omits a
// plain 0, which leaves the temperature to the client; this least number above
// zero passes it, and the transport writes 0 in its place.
const ExplicitZero = math.SmallestNonzeroFloat64

var (
	explicitZero = []byte(`"temperature":5e-324`)
	plainZero    = []byte(`"temperature":0`)
)

// restoreZero must see only what this server has encoded: no stranger's text
// can hold the unescaped quotes of the pattern.
func restoreZero(encoded []byte) []byte {
	if !bytes.Contains(encoded, explicitZero) {
		return encoded
	}
	return bytes.ReplaceAll(encoded, explicitZero, plainZero)
}
