package mcphttp

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answer is an HTTP response, whose events can be awaited one by one.
type answer struct {
	t       *testing.T
	replica *testReplica // that answered
	status  int
	header  http.Header
	text    string // of a plain answer
	events  <-chan sse
	leave   context.CancelFunc // closes the connection
}

// sse is one server-sent event, or a comment.
type sse struct {
	id, data, retry string
	comment, hasID  bool
}

// receive sends a request; a stream is read until the test's end.
func receive(t *testing.T, r *http.Request, replica *testReplica) *answer {
	t.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	// A connection of its own: leaving closes it.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		t.Fatalf("%s: %v", r.Method, err)
	}
	a := &answer{t: t, replica: replica, status: response.StatusCode, header: response.Header, leave: cancel}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		defer cancel()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%s: %v", r.Method, err)
		}
		_ = response.Body.Close()
		a.text = string(body)
		return a
	}
	events := make(chan sse, 20000)
	a.events = events
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(events)
		defer func() { _ = response.Body.Close() }()
		readEvents(response.Body, events)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return a
}

func readEvents(body io.Reader, events chan<- sse) {
	lines := bufio.NewReader(body)
	var e sse
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			events <- e
			e = sse{}
		case name == "":
			e.comment = true
		case name == "id":
			e.id, e.hasID = value, true
		case name == "data":
			e.data = value
		case name == "retry":
			e.retry = value
		}
	}
}

// all waits for the whole answer; text is then that of the last message.
func (a *answer) all() *answer {
	a.t.Helper()
	for e := range a.each() {
		a.text = e.data
	}
	return a
}

// each yields the messages of a stream until it ends.
func (a *answer) each() func(func(sse) bool) {
	return func(yield func(sse) bool) {
		if a.events == nil {
			return
		}
		for {
			e, ok := a.next()
			if !ok || !yield(e) {
				return
			}
		}
	}
}

// next awaits a message; comments and empty events are left out.
func (a *answer) next() (e sse, ok bool) {
	a.t.Helper()
	for {
		if e, ok = a.raw(); !ok || e.data != "" {
			return e, ok
		}
	}
}

// raw awaits whatever comes.
func (a *answer) raw() (e sse, ok bool) {
	a.t.Helper()
	if a.events == nil {
		a.t.Fatalf("not a stream: %d %s", a.status, a.text)
	}
	select {
	case e, ok = <-a.events:
		return e, ok
	case <-time.After(30 * time.Second):
		a.t.Fatal("the stream is silent")
		return
	}
}

func (a *answer) wantStatus(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("status %d, want %d: %s", a.status, status, a.text)
	}
	return a
}

// wantText awaits the end and looks for texts in the last message.
func (a *answer) wantText(texts ...string) *answer {
	a.t.Helper()
	a.all()
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			a.t.Errorf("%d: got %s, want %s in it", a.status, a.text, text)
		}
	}
	return a
}

// wantEnd checks that nothing but comments and empty events come before the end.
func (a *answer) wantEnd() {
	a.t.Helper()
	if e, ok := a.next(); ok {
		a.t.Errorf("an event: %+v", e)
	}
}

// logged is what a log notification of the fixture says.
func logged(t *testing.T, e sse) string {
	t.Helper()
	var n struct {
		Method string
		Params struct{ Data string }
	}
	if err := json.Unmarshal([]byte(e.data), &n); err != nil || n.Method != "notifications/message" {
		t.Fatalf("not a log notification: %s", e.data)
	}
	return n.Params.Data
}

// number is the last part of an event id.
func number(t *testing.T, id string) int {
	t.Helper()
	_, text, _ := strings.Cut(id, ".")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("event id %q", id)
	}
	return n
}
