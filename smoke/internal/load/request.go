package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// The client's JSON-RPC. It is its own, and writes and reads as little as it
// can, because it shares the machine with the server that is measured.

const (
	clientInfo = `{"name":"smoke load","version":"1"}`
	// statelessMeta is what the stateless era has in each request's _meta.
	statelessMeta = `"io.modelcontextprotocol/protocolVersion":"` + statelessVersion +
		`","io.modelcontextprotocol/clientInfo":` + clientInfo + `,"io.modelcontextprotocol/clientCapabilities":{}`
)

// request is a JSON-RPC request before it is sent.
type request struct {
	id     int64
	method string
	name   string // of the tool of a tools/call
	params []byte // members of the params object, without _meta
	token  bool   // asks for progress, under the id
}

// body renders the request for a client's era.
func (q request) body(stateless bool) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	b = strconv.AppendInt(b, q.id, 10)
	b = append(b, `,"method":"`...)
	b = append(b, q.method...)
	b = append(b, `","params":{`...)
	b = append(b, q.params...)
	if stateless || q.token {
		if len(q.params) > 0 {
			b = append(b, ',')
		}
		b = append(b, `"_meta":{`...)
		if stateless {
			b = append(b, statelessMeta...)
		}
		if q.token {
			if stateless {
				b = append(b, ',')
			}
			b = append(b, `"progressToken":`...)
			b = strconv.AppendInt(b, q.id, 10)
		}
		b = append(b, '}')
	}
	return append(b, "}}"...)
}

// post sends a request and returns the answer, whose body is the caller's to
// close. An answer other than 200 is a failure.
func (r *run) post(ctx context.Context, c *client, to *url.URL, q request, body []byte) (*http.Response, error) {
	header := r.header(c)
	header["Content-Type"] = []string{"application/json"}
	header["Accept"] = []string{"application/json, text/event-stream"}
	if r.plan.Era == Stateless {
		header["Mcp-Method"] = []string{q.method}
		if q.name != "" {
			header["Mcp-Name"] = []string{q.name}
		}
	}
	return r.send(ctx, c, &http.Request{Method: http.MethodPost, URL: to, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))})
}

// get opens a stream: the session's own, or with a cursor the rest of one.
func (r *run) get(ctx context.Context, c *client, from *url.URL, cursor string) (*http.Response, error) {
	header := r.header(c)
	header["Accept"] = []string{"text/event-stream"}
	if cursor != "" {
		header["Last-Event-Id"] = []string{cursor}
	}
	return r.send(ctx, c, &http.Request{Method: http.MethodGet, URL: from, Header: header})
}

func (r *run) header(c *client) http.Header {
	header := make(http.Header, 8)
	if c.version != "" {
		header["Mcp-Protocol-Version"] = []string{c.version}
	}
	if c.session != "" {
		header["Mcp-Session-Id"] = []string{c.session}
	}
	if authorization := c.principal.authorization(); authorization != "" {
		header["Authorization"] = []string{authorization}
	}
	return header
}

func (r *run) send(ctx context.Context, c *client, request *http.Request) (*http.Response, error) {
	// The transport itself: a client above it would follow redirects.
	response, err := r.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, connectionFailure(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer discard(response)
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		text = []byte(err.Error())
	}
	return nil, &failure{fmt.Sprintf("HTTP %d", response.StatusCode), c.principal.redact(string(text))}
}

// discard reads what little may be left of an answer, so that its connection
// can be used again, and closes it.
func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // the connection is closed if this fails
	_ = response.Body.Close()
}

// openSession makes a session and makes it keep its logs to itself, so that
// servers with different levels to begin with send the same.
func (r *run) openSession(ctx context.Context, c *client, at *url.URL) error {
	if r.plan.mirrorsOnly() {
		c.session, c.version = "0123456789abcdef0123456789abcdef", sessionVersion
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.plan.Timeout)
	defer cancel()
	started, err := r.initialize(ctx, c, at, r.ids.Add(1))
	if err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	if err := r.notify(ctx, c, at, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); err != nil {
		return fmt.Errorf("notifications/initialized: %w", err)
	}
	if started.Capabilities.Logging == nil {
		return nil
	}
	q := request{id: r.ids.Add(1), method: "logging/setLevel", params: []byte(`"level":"error"`)}
	if _, err := r.ask(ctx, c, at, q); err != nil {
		return fmt.Errorf("logging/setLevel: %w", err)
	}
	return nil
}

// initialize opens a session and puts it into the client.
func (r *run) initialize(ctx context.Context, c *client, at *url.URL, id int64) (result, error) {
	q := request{id: id, method: "initialize", params: []byte(`"protocolVersion":"` + sessionVersion + `","capabilities":{},"clientInfo":` + clientInfo)}
	response, err := r.post(ctx, c, at, q, q.body(false)) //nolint:bodyclose // read closes it
	if err != nil {
		return result{}, err
	}
	c.session = response.Header.Get("Mcp-Session-Id")
	got, err := r.read(response, c, q)
	if err != nil {
		return result{}, err
	}
	if got.ProtocolVersion == "" {
		return result{}, &failure{"wrong result", "initialize answered without a protocol version"}
	}
	c.version = got.ProtocolVersion
	return got, nil
}

// ask sends a request whose answer is not a stream of events, or need not be.
func (r *run) ask(ctx context.Context, c *client, at *url.URL, q request) (result, error) {
	response, err := r.post(ctx, c, at, q, q.body(r.plan.Era == Stateless)) //nolint:bodyclose // read closes it
	if err != nil {
		return result{}, err
	}
	return r.read(response, c, q)
}

func (r *run) notify(ctx context.Context, c *client, at *url.URL, body string) error {
	response, err := r.post(ctx, c, at, request{}, []byte(body))
	var refused *failure
	switch {
	case err == nil:
		discard(response)
	case asFailure(err, &refused) && refused.kind == "HTTP 202": // as the specification has it
		return nil
	}
	return err
}

// endSession deletes a session. A server may not let clients do that.
func (r *run) endSession(ctx context.Context, c *client, at *url.URL) error {
	if c == nil || c.session == "" || r.plan.mirrorsOnly() {
		return nil
	}
	response, err := r.send(ctx, c, &http.Request{Method: http.MethodDelete, URL: at, Header: r.header(c)})
	if err == nil {
		discard(response)
	}
	return nil //nolint:nilerr // the session expires by itself
}
