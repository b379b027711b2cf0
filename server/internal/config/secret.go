package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a value that no verb of fmt, no JSON and no log record shows.
// Keep it in exported fields: fmt cannot call methods on unexported ones.
type Secret string

// Reveal gives the value itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// Format covers every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) {
	// A fmt.State never fails to take bytes; it has no way to report it either.
	_, _ = io.WriteString(f, redacted)
}

// String is for callers that do not go through fmt.
func (s Secret) String() string { return redacted }

// MarshalJSON hides the value in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText hides the value in every other encoding that asks for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the value in log records.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
