package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prynai/prynai-mcp/smoke/internal/diagnose"
)

// failure is an operation that did not come to its end as it should. Reports
// count by kind, of which there are few.
type failure struct {
	kind   string
	detail string // of the first of its kind; without secrets
}

func (f *failure) Error() string {
	if f.detail == "" {
		return f.kind
	}
	return f.kind + ": " + f.detail
}

func asFailure(err error, target **failure) bool { return errors.As(err, target) }

// errRunEnded is no fault of the server's.
var errRunEnded = &failure{kind: "run ended"}

// connectionFailure names what became of a connection.
func connectionFailure(err error) error {
	var network net.Error
	kind := "connection lost"
	switch {
	case errors.Is(err, context.Canceled):
		return errRunEnded
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		kind = "timeout"
	case diagnose.Refused(err):
		kind = "connection refused"
	}
	return &failure{kind, err.Error()}
}

// message is a JSON-RPC message from a server, as far as it matters here.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		ProgressToken json.RawMessage `json:"progressToken"`
		Progress      float64         `json:"progress"`
	} `json:"params"`
	Result *result `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// result is that of any operation.
type result struct {
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	IsError           bool `json:"isError"`
	Tools             []struct{ Name string }
	ProtocolVersion   string   `json:"protocolVersion"`
	SupportedVersions []string `json:"supportedVersions"`
	Capabilities      struct {
		Logging *struct{} `json:"logging"`
	} `json:"capabilities"`
}

// largestReply bounds what is read of one answer.
const largestReply = 4 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read reads the answer to a request, as JSON or as the last of some events,
// and closes it.
func (r *run) read(response *http.Response, c *client, q request) (result, error) {
	if isStream(response) {
		s := newStream(response)
		defer s.close()
		for {
			m, err := s.next()
			if err != nil {
				return result{}, err
			}
			if m.Method == "" {
				return m.outcome(c, q.id)
			}
		}
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or given up
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, largestReply)); err != nil {
		return result{}, connectionFailure(err)
	}
	var m message
	if err := json.Unmarshal(buffer.Bytes(), &m); err != nil {
		return result{}, &failure{"malformed reply", err.Error()}
	}
	return m.outcome(c, q.id)
}

func isStream(response *http.Response) bool {
	return strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream")
}

// outcome is the result that a response carries for the request with that id.
func (m message) outcome(c *client, id int64) (result, error) {
	switch {
	case m.Error != nil:
		return result{}, &failure{fmt.Sprintf("JSON-RPC error %d", m.Error.Code), c.principal.redact(m.Error.Message)}
	case string(m.ID) != strconv.FormatInt(id, 10):
		return result{}, &failure{"wrong id", "the answer to another request came"}
	case m.Result == nil:
		return result{}, &failure{"wrong result", "there is neither a result nor an error"}
	}
	return *m.Result, nil
}

// text is the result of a tool, which must not be an error.
func (r result) text(c *client) (string, error) {
	var text string
	if len(r.Content) > 0 {
		text = r.Content[0].Text
	}
	if r.IsError {
		return "", &failure{"tool error", c.principal.redact(text)}
	}
	return text, nil
}

// supports reports whether a server/discover lists a revision.
func (r result) supports(version string) bool { return slices.Contains(r.SupportedVersions, version) }
