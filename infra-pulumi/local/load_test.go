package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The load that a release must not hurt: sessions that each call a tool
// several times a second and hold a GET stream open, and some of which always
// have a long task under way. No client does anything twice: what goes wrong
// once is counted.
const (
	loadSessions = 8
	loadPeriod   = 400 * time.Millisecond // of a session's calls: 20 requests a second in all
	loadTasks    = 2                      // sessions with a long task under way
	taskSteps    = 10                     // 200 ms each
	callPatience = 8 * time.Second        // these last milliseconds,
	taskPatience = 30 * time.Second       // and these two seconds, where the machine is not busy
)

// counts are what a load has seen.
type counts struct {
	requests, failures, lost int // lost sessions
	tasks                    int // long tasks that came to their end
	streams, cut             int // GET streams that were opened, again or first; that did not end in order
}

func (c counts) minus(other counts) counts {
	return counts{c.requests - other.requests, c.failures - other.failures, c.lost - other.lost, c.tasks - other.tasks, c.streams - other.streams, c.cut - other.cut}
}

type load struct {
	url, token string
	client     *http.Client
	stop       context.CancelFunc
	running    sync.WaitGroup

	mu      sync.Mutex
	counted counts
	notes   []string // of failures since the last look
	healthy map[int]bool
}

func startLoad(t *testing.T, url, token string, transport *http.Transport) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{url: url, token: token, client: &http.Client{Transport: transport}, stop: stop, healthy: map[int]bool{}}
	for n := range loadSessions {
		s := &loadSession{load: l, number: n}
		s.open(ctx)
		l.running.Go(func() { s.call(ctx) })
		l.running.Go(func() { s.listen(ctx) })
		if n < loadTasks {
			l.running.Go(func() { s.work(ctx) })
		}
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.running.Wait()
	l.client.CloseIdleConnections()
}

// look returns what was counted so far, and notes of the failures since the last look.
func (l *load) look() (counts, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	notes := strings.Join(l.notes, "\n")
	l.notes = nil
	return l.counted, notes
}

// settle waits until every session has had an answer again.
func (l *load) settle(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	clear(l.healthy)
	l.mu.Unlock()
	wait(t, "every session works again", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.healthy) == loadSessions
	})
}

func (l *load) count(add func(*counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(&l.counted)
}

var errSessionLost = errors.New("the session is lost")

// judge counts a request; what was broken off by the end of the load does not count.
func (l *load) judge(ctx context.Context, session int, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted.requests++
	if err == nil {
		l.healthy[session] = true
		return
	}
	l.counted.failures++
	if errors.Is(err, errSessionLost) {
		l.counted.lost++
	}
	if len(l.notes) < 5 {
		l.notes = append(l.notes, fmt.Sprintf("%s session %d, %s: %v", time.Now().Format("05.000"), session, what, err))
	}
}

// loadSession is one client's session.
type loadSession struct {
	load   *load
	number int
	nextID atomic.Int64

	mu sync.Mutex
	id string
}

// open makes the session, or another one where it was lost.
func (s *loadSession) open(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	response, err := s.send(ctx, http.MethodPost, `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}}`, "", "")
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = response.Header.Get("Mcp-Session-Id")
}

func (s *loadSession) session() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// call calls a tool again and again.
func (s *loadSession) call(ctx context.Context) {
	tick := time.NewTicker(loadPeriod)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tool, arguments, want := "add", fmt.Sprintf(`{"a":%d,"b":%d}`, n, s.number), fmt.Sprint(n+s.number)
		switch {
		case n%10 == 9: // seldom: the smoke client wants a moment in which nobody else counts
			tool, arguments, want = "bump_counter", `{}`, ""
		case n%2 == 1:
			tool, arguments, want = "echo", fmt.Sprintf(`{"message":"m%d"}`, n), fmt.Sprintf("m%d", n)
		}
		err := s.tool(ctx, callPatience, tool, arguments, want)
		s.load.judge(ctx, s.number, tool, err)
		if errors.Is(err, errSessionLost) || s.session() == "" {
			s.open(ctx)
		}
	}
}

// work always has a long task under way.
func (s *loadSession) work(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.tool(ctx, taskPatience, "long_task", fmt.Sprintf(`{"steps":%d}`, taskSteps), "done")
		s.load.judge(ctx, s.number, "long_task", err)
		if err == nil {
			s.load.count(func(c *counts) { c.tasks++ })
		} else {
			pause(ctx)
		}
	}
}

// listen holds a GET stream open. That it ends in order is no failure: the
// client comes back with what it heard last, and must be let in.
func (s *loadSession) listen(ctx context.Context) {
	last := ""
	for ctx.Err() == nil {
		id := s.session()
		response, err := s.send(ctx, http.MethodGet, "", id, last)
		if err == nil {
			err = refusal(response)
		}
		s.load.judge(ctx, s.number, "GET stream", err)
		if err != nil {
			last = ""
			pause(ctx)
			continue
		}
		s.load.count(func(c *counts) { c.streams++ })
		last, err = follow(response.Body, last)
		if err != nil && ctx.Err() == nil {
			s.load.count(func(c *counts) { c.cut++ })
		}
		if id != s.session() {
			last = ""
		}
	}
}

// follow reads a stream to its end, and returns the last event's id.
func follow(body io.ReadCloser, last string) (string, error) {
	defer func() { _ = body.Close() }()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			last = id
		}
	}
	return last, lines.Err()
}

// tool calls a tool once; its answer must be this text, or any if that is empty.
func (s *loadSession) tool(ctx context.Context, patience time.Duration, tool, arguments, want string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id := s.nextID.Add(1)
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"progressToken":%d}}}`, id, tool, arguments, id)
	response, err := s.send(ctx, http.MethodPost, body, s.session(), "")
	if err != nil {
		return err
	}
	if err := refusal(response); err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := answer(response.Body, id)
	if err == nil && want != "" && got != want {
		err = fmt.Errorf("%s%s answered %q", tool, arguments, got)
	}
	return err
}

// answer finds the answer to a request in a body or a stream of events.
func answer(body io.Reader, id int64) (text string, err error) {
	all, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("cut after %d bytes: %w", len(all), err)
	}
	for line := range bytes.Lines(all) {
		var m struct {
			ID     json.RawMessage
			Result struct {
				Content []struct{ Text string }
				IsError bool
			}
			Error *struct{ Message string }
		}
		if json.Unmarshal(bytes.TrimPrefix(line, []byte("data: ")), &m) != nil || string(m.ID) != fmt.Sprint(id) {
			continue
		}
		switch {
		case m.Error != nil:
			return "", errors.New(m.Error.Message)
		case m.Result.IsError || len(m.Result.Content) != 1:
			return "", fmt.Errorf("a tool error: %s", line)
		}
		return m.Result.Content[0].Text, nil
	}
	return "", fmt.Errorf("there is no answer in %q", all)
}

// refusal is an error for a response that is not OK, whose body it closes.
func refusal(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 200)) // it explains; without it the status does
	_ = response.Body.Close()
	err := fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(text))
	if response.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", errSessionLost, err)
	}
	return err
}

func (s *loadSession) send(ctx context.Context, method, body, session, last string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.load.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.load.token)
	request.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	} else {
		request.Header.Set("Accept", "text/event-stream")
	}
	for name, value := range map[string]string{"Mcp-Session-Id": session, "Last-Event-ID": last} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if session != "" {
		request.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	return s.load.client.Do(request)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}
