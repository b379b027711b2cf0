package mcphttp

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
)

// ownSecret is a store with a key that no other process has: what another
// worker of the fuzzer has sealed is as good as forged.
type ownSecret string

func (s ownSecret) Secret(context.Context) ([]byte, error) { return []byte(s), nil }

// FuzzRequestState looks for a state that opens although it is not, to the
// letter, what was sealed for this principal and this request.
func FuzzRequestState(f *testing.F) {
	s := &sealer{store: ownSecret(rand.Text() + "ABCDEF")}
	const principal, name, state = "tenant/object", "tool", "the state"
	binding := func(principal, name string) []byte {
		b, err := stateBinding(principal, "tools/call", name, map[string]any{"a": 1})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	sealed, err := s.seal(f.Context(), state, binding(principal, name))
	if err != nil {
		f.Fatal(err)
	}
	// An edit is told by its place, so that it fits whatever was sealed in this run.
	f.Add(uint16(0), "", "", principal, name)
	f.Add(uint16(0), "", "", "tenant/other", name)
	f.Add(uint16(0), "", "", principal, "other")
	f.Add(uint16(5), "", "\n", principal, name)
	f.Add(uint16(len(sealed)), "", "=", principal, name)
	f.Add(uint16(2), sealed, "", principal, name)
	f.Add(uint16(9), "A", "", principal, name)
	f.Add(uint16(0), strings.Repeat("1.", longestState), "", principal, name)
	f.Fuzz(func(t *testing.T, at uint16, replaced, inserted, who, what string) {
		i := int(at) % (len(sealed) + 1)
		edited := sealed[:i] + inserted + replaced + sealed[min(i+len(replaced), len(sealed)):]
		got, err := s.open(t.Context(), edited, binding(who, what))
		if genuine := edited == sealed && who == principal && what == name; genuine != (err == nil) {
			t.Errorf("%q for %q, %q: %q, %v", edited, who, what, got, err)
		}
	})
}
