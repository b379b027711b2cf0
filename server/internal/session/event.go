package session

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// outStream is the stream of a session's events that belong to no call.
const outStream = "out"

// Cursor names an event: on the wire it is the event's id, "stream.number".
type Cursor struct {
	Stream string
	Number int64
}

func (c Cursor) String() string { return c.Stream + "." + strconv.FormatInt(c.Number, 10) }

// IsOut reports whether the cursor is in the stream of events that belong to no
// call, which the GET stream carries.
func (c Cursor) IsOut() bool { return c.Stream == outStream }

// ParseCursor reads a Last-Event-ID, which is a stranger's text.
func ParseCursor(s string) (Cursor, error) {
	stream, number, ok := strings.Cut(s, ".")
	if !ok || !isID(stream) || len(number) > 18 {
		return Cursor{}, ErrBadCursor
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != number {
		return Cursor{}, ErrBadCursor
	}
	return Cursor{Stream: stream, Number: n}, nil
}

// Event is an entry of a stream.
type Event struct {
	Number int64
	// Data is a JSON-RPC message. It is empty in a call stream's opening entry
	// and in a terminal entry without an answer, as after a cancellation.
	Data []byte
	// Terminal marks the stream's last event.
	Terminal bool
}

// parseEvents reads an XRANGE reply.
func parseEvents(entries []rueidis.XRangeEntry) ([]Event, error) {
	events := make([]Event, len(entries))
	for i, entry := range entries {
		number, _, _ := strings.Cut(entry.ID, "-")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("session: entry id %q: %w", entry.ID, err)
		}
		events[i].Number = n
		if end, ok := entry.FieldValues["end"]; ok {
			events[i].Data, events[i].Terminal = []byte(end), true
		} else {
			events[i].Data = []byte(entry.FieldValues["m"])
		}
	}
	return events, nil
}
