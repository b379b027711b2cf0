package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// roamer is a client that does not give up: it resumes its streams wherever it
// is let in, and checks each for gaps and repetitions.
type roamer struct {
	url     string
	session string
	http    http.Client
	nextID  int

	// patience is how long a stream or an answer may be silent before the
	// client turns to another replica.
	patience time.Duration
	// stay tells after how many events the client breaks a connection off; 0
	// is never.
	stay func() int
	// rewind has the client resume once from an older place than it has reached.
	rewind bool

	// heard is told the place of each event; may be nil.
	heard func(cursor string)

	resumptions atomic.Int64 // all that were let in
}

// What may become of a request that has no result.
var (
	errInDoubt     = errors.New("in doubt")            // nobody can tell
	errSessionLost = errors.New("the session is lost") // 404
	errResultLost  = errors.New("the result is lost")  // and nobody said so
	errRepeated    = errors.New("repeated")            // an event came twice
	errHang        = errors.New("hang")                // no end within the time
)

// message is what a client must know of a JSON-RPC message.
type rpcMessage struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result *struct {
		Content []struct{ Text string }
		IsError bool
	}
	Error *struct {
		Code    int
		Message string
	}
}

func newRoamer(url string) *roamer {
	return &roamer{
		url: url, patience: 8 * time.Second, // longer than a loss takes to be certain
		stay: func() int { return 0 },
		http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
	}
}

func (c *roamer) close() { c.http.CloseIdleConnections() }

func (c *roamer) send(ctx context.Context, method, body, cursor string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, value := range map[string]string{"Mcp-Session-Id": c.session, "Last-Event-ID": cursor} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.session != "" {
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	return c.http.Do(r)
}

// initialize makes the session; while it is refused it tries again.
func (c *roamer) initialize(ctx context.Context) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, c.patience)
		response, err := c.send(attempt, http.MethodPost, `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{}},"clientInfo":{"name":"roamer","version":"1"}}}`, "")
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				cancel()
				c.session = response.Header.Get("Mcp-Session-Id")
				return nil
			}
		}
		cancel()
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause is what a client waits before it tries again.
func pause(ctx context.Context) error {
	select {
	case <-time.After(50 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream is what the client knows of the reply to one call.
type stream struct {
	client *roamer
	id     string   // of the request, in JSON
	cursor string   // the last event that came
	newest int      // the highest number among those that came
	seen   []string // notifications, in order
	answer *rpcMessage
	fault  error // what is wrong with the stream
}

// call calls a tool, and comes back until it has the answer, which may be an
// error that names the loss of a replica. ctx bounds it all: its end is a hang.
func (c *roamer) call(ctx context.Context, tool, arguments string) (*stream, error) {
	c.nextID++
	s := &stream{client: c, id: strconv.Itoa(c.nextID)}
	body := `{"jsonrpc":"2.0","id":` + s.id + `,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + arguments + `,"_meta":{"progressToken":` + s.id + `}}}`
	err := s.receive(ctx, http.MethodPost, body)
	for err == nil && s.answer == nil {
		if s.cursor == "" {
			return s, errInDoubt // there is no place to come back to
		}
		if err = pause(ctx); err == nil {
			err = s.receive(ctx, http.MethodGet, "")
		}
	}
	if ctx.Err() != nil {
		return s, errHang
	}
	if err == nil {
		err = s.fault
	}
	if err == nil {
		err = s.checkEnd(ctx)
	}
	return s, err
}

// checkEnd looks for something after the end.
func (s *stream) checkEnd(ctx context.Context) error {
	if s.cursor == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.client.patience)
	defer cancel()
	response, err := s.client.send(ctx, http.MethodGet, "", s.cursor)
	if err != nil {
		return nil // nobody there to ask
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return fmt.Errorf("%w: something follows the end %s", errRepeated, s.cursor)
	}
	return nil
}

// receive sends a request and reads its answer as far as it comes.
func (s *stream) receive(ctx context.Context, method, body string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(s.client.patience, cancel)
	defer silence.Stop()
	response, err := s.client.send(ctx, method, body, s.cursor)
	if err != nil {
		return nil // nobody there: the next attempt meets another replica
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return errSessionLost
	case response.StatusCode == http.StatusBadGateway, response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusTooManyRequests:
		return nil
	case response.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%w: %s with Last-Event-ID %q: %d %s", errResultLost, method, s.cursor, response.StatusCode, text)
	}
	if method == http.MethodGet {
		s.client.resumptions.Add(1)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		if text, err := io.ReadAll(response.Body); err == nil {
			s.message("", string(text))
		}
		return nil
	}
	lines := bufio.NewReader(response.Body)
	stay, id := s.client.stay(), ""
	for events := 0; s.answer == nil; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil
		}
		silence.Reset(s.client.patience)
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(text)
			if s.cursor == "" && s.number(id) == 1 {
				s.cursor = id // the priming event, without data
			}
			continue
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok && strings.TrimSpace(text) != "" {
			s.message(id, text)
			if events++; events == stay {
				return nil // leaves, to come back
			}
		}
	}
	return nil
}

// message takes an event with data.
func (s *stream) message(id, text string) {
	if id != "" {
		switch n, last := s.number(id), s.number(s.cursor); {
		case s.fault != nil:
		case n <= s.newest:
			s.fault = fmt.Errorf("%w: %s after %s", errRepeated, id, s.cursor)
		case s.cursor != "" && n > last+1:
			s.fault = fmt.Errorf("%w: %s after %s", errResultLost, id, s.cursor)
		}
		s.cursor, s.newest = id, max(s.newest, s.number(id))
		if s.client.heard != nil {
			s.client.heard(id)
		}
		if s.client.rewind && s.number(id) == 3 {
			s.client.rewind = false
			s.cursor = strings.TrimSuffix(id, "3") + "1"
		}
	}
	var m rpcMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		s.fault = fmt.Errorf("%w: not a message: %q", errResultLost, text)
		return
	}
	switch {
	case m.Method == "sampling/createMessage":
		go s.client.answer(string(m.ID))
	case m.Method != "":
		s.seen = append(s.seen, text)
	case string(m.ID) == s.id:
		s.answer = &m
	default:
		s.fault = fmt.Errorf("%w: the answer to %s came to %s", errResultLost, m.ID, s.id)
	}
}

// answer answers a request of the server, until somebody takes it.
func (c *roamer) answer(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, c.patience)
		response, err := c.send(attempt, http.MethodPost, `{"jsonrpc":"2.0","id":`+id+`,"result":{"role":"assistant","model":"m","content":{"type":"text","text":"a summary"}}}`, "")
		if err == nil {
			_ = response.Body.Close()
		}
		cancel()
		if err == nil && (response.StatusCode == http.StatusAccepted || response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusNotFound) {
			return
		}
		if pause(ctx) != nil {
			return
		}
	}
}

func (s *stream) number(id string) int {
	_, text, _ := strings.Cut(id, ".")
	n, _ := strconv.Atoi(text)
	return n
}

// producer is the replica that runs the call, or "" when nothing was told of it.
func (s *stream) producer() string {
	replica, _, _ := strings.Cut(s.cursor, "_")
	return replica
}

// text is the result's text; ok is false for errors.
func (s *stream) text() (text string, ok bool) {
	if s.answer == nil || s.answer.Result == nil || s.answer.Result.IsError || len(s.answer.Result.Content) != 1 {
		return "", false
	}
	return s.answer.Result.Content[0].Text, true
}
