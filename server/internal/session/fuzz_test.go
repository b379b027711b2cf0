package session

import (
	"strings"
	"testing"
)

// FuzzCursor looks for a Last-Event-ID that has more than one reading, or that
// would reach beyond the stream that it names.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"out.0", "out.1", "ABCDEFGHIJ_1.2", "out.01", "out.+1", "out.-1", "out.999999999999999999", "out.9223372036854775808", ".1", "a.", "a.b.1", "{a}:b.1", "a\x00.1", "ö.1", "a.١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cursor, err := ParseCursor(text)
		if err != nil {
			return
		}
		if cursor.String() != text || cursor.Number < 0 {
			t.Errorf("%q was read as %+v, which is %q", text, cursor, cursor)
		}
		if strings.ContainsAny(cursor.Stream, ":{}*?[] \r\n\x00") || cursor.Stream == "" {
			t.Errorf("the stream of %q would be part of a key: %q", text, cursor.Stream)
		}
	})
}
