//go:build unix

package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// Point 7: replicas that are killed, hang, or are told to end.

func signalTo(t testing.TB, r *replica, s os.Signal) {
	t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func awaitReady(t testing.TB, r *replica) {
	t.Helper()
	eventually(t, "ready replica", func() bool { return status(t, r, "/readyz") == http.StatusOK })
}

// status asks a replica one of the questions of package health.
func status(t testing.TB, r *replica, path string) int {
	t.Helper()
	response, err := http.Get("http://" + r.Address + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// threeReplicas are processes that share a Redis, and a client with a session.
func threeReplicas(t *testing.T, environment ...string) (replicas [3]*replica, session string) {
	t.Helper()
	environment = append(environment, "REDIS_URL="+redistest.Start(t).URL)
	for i := range replicas {
		replicas[i] = startReplica(t, "product", environment...)
	}
	for _, r := range replicas {
		awaitReady(t, r)
	}
	c := at(replicas[0], "")
	if err := c.initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	return replicas, c.session
}

// at is a client of one replica.
func at(r *replica, session string) *roamer {
	c := newRoamer("http://" + r.Address + "/mcp")
	c.session, c.patience = session, time.Minute
	return c
}

// begin calls long_task on a replica and breaks the connection off after some
// events, as the place to go on from; stay keeps it open in the background.
func begin(t *testing.T, r *replica, session, arguments string) *stream {
	t.Helper()
	c := at(r, session)
	c.nextID = 40
	c.stay = func() int { return 3 }
	s := &stream{client: c, id: "41"}
	body := `{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"long_task","arguments":` + arguments + `,"_meta":{"progressToken":1}}}`
	if err := s.receive(t.Context(), http.MethodPost, body); err != nil || s.number(s.cursor) != 4 {
		t.Fatalf("the call came to %q, %v", s.cursor, err)
	}
	return s
}

// on goes on with a stream on another replica, to its end.
func (s *stream) on(t *testing.T, r *replica) *stream {
	t.Helper()
	next := &stream{client: at(r, s.client.session), id: s.id, cursor: s.cursor}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := next.receive(ctx, http.MethodGet, ""); err != nil || next.fault != nil || next.answer == nil {
		t.Fatalf("resumed from %s: %v, %v, answered: %v", s.cursor, err, next.fault, next.answer != nil)
	}
	return next
}

func (s *stream) wantLoss(t *testing.T, within time.Duration, start time.Time) {
	t.Helper()
	if s.answer.Error == nil || s.answer.Error.Code != -32000 || !strings.Contains(s.answer.Error.Message, "lost") {
		t.Errorf("the answer is %+v", s.answer)
	}
	if took := time.Since(start); took > within {
		t.Errorf("the loss was told after %v", took)
	} else {
		t.Logf("the loss was told after %v", took)
	}
}

// wantFinished checks that the end that was read is the only one.
func (s *stream) wantFinished(t *testing.T, r *replica) {
	t.Helper()
	response, err := at(r, s.client.session).send(t.Context(), http.MethodGet, "", s.cursor)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("after the end: %s", response.Status)
	}
}

func TestKilledReplica(t *testing.T) {
	t.Parallel()
	replicas, session := threeReplicas(t)
	s := begin(t, replicas[0], session, `{"steps":3000}`)
	start := time.Now()
	replicas[0].kill()
	one := s.on(t, replicas[1])
	one.wantLoss(t, 10*time.Second, start)
	two := s.on(t, replicas[2])
	two.wantLoss(t, time.Minute, start)
	if one.cursor != two.cursor {
		t.Errorf("two ends: %s and %s", one.cursor, two.cursor)
	}
	two.wantFinished(t, replicas[1])
	done, err := at(replicas[2], session).call(t.Context(), "long_task", `{"steps":1}`)
	if text, ok := done.text(); err != nil || !ok || text != "done" {
		t.Errorf("the session does not live on: %v, %+v", err, done.answer)
	}
}

func TestHangingReplica(t *testing.T) {
	t.Parallel()
	replicas, session := threeReplicas(t)
	staying := at(replicas[0], session) // with the replica that will hang
	cursors := make(chan string, 100)
	staying.heard = func(cursor string) { cursors <- cursor }
	stayed := make(chan *stream, 1)
	go func() {
		s, _ := staying.call(context.WithoutCancel(t.Context()), "long_task", `{"steps":60}`)
		stayed <- s
	}()
	s := &stream{client: at(replicas[1], session), id: "1", cursor: <-cursors}

	signalTo(t, replicas[0], syscall.SIGSTOP)
	start := time.Now()
	lost := s.on(t, replicas[1])
	lost.wantLoss(t, 10*time.Second, start)
	signalTo(t, replicas[0], syscall.SIGCONT)
	for name, other := range map[string]*stream{"who stayed": <-stayed, "who came back": s.on(t, replicas[0])} {
		if other.wantLoss(t, time.Minute, start); other.fault != nil {
			t.Errorf("%s: %v", name, other.fault)
		}
	}
	lost.wantFinished(t, replicas[2])
}

// TestTerminatedReplica: it is served until the balancer has noticed, then its
// streams move on and its calls end, with what is left told of its loss.
func TestTerminatedReplica(t *testing.T) {
	t.Parallel()
	replicas, session := threeReplicas(t, "SHUTDOWN_GRACE=4s")
	leaving := replicas[0]
	lost := begin(t, leaving, session, `{"steps":3000}`)
	finishing := begin(t, leaving, session, `{"steps":33}`) // 6.6 s
	get, err := at(leaving, session).send(t.Context(), http.MethodGet, "", "")
	if err != nil || get.StatusCode != http.StatusOK {
		t.Fatal(get, err)
	}
	getEnded := make(chan time.Time, 1)
	go func() {
		buffer := make([]byte, 100)
		for {
			if _, err := get.Body.Read(buffer); err != nil {
				_ = get.Body.Close()
				getEnded <- time.Now()
				return
			}
		}
	}()

	signalTo(t, leaving, syscall.SIGTERM)
	start := time.Now()
	eventually(t, "503 of /readyz", func() bool { return status(t, leaving, "/readyz") == http.StatusServiceUnavailable })
	for time.Since(start) < 4*time.Second { // and some leeway
		s, err := at(leaving, session).call(t.Context(), "add", `{"a":1,"b":2}`)
		if text, ok := s.text(); err != nil || !ok || text != "3" {
			t.Fatalf("%v after SIGTERM: %v, %+v", time.Since(start), err, s.answer)
		}
		if code := status(t, leaving, "/livez"); code != http.StatusOK {
			t.Fatalf("/livez: %d", code)
		}
		select {
		case <-getEnded:
			t.Fatal("the GET stream ended before the balancer had time to notice")
		case <-time.After(100 * time.Millisecond):
		}
	}
	if took := (<-getEnded).Sub(start); took > 8*time.Second {
		t.Errorf("the GET stream ended after %v", took)
	}
	if text, ok := finishing.on(t, replicas[1]).text(); !ok || text != "done" {
		t.Errorf("the call that could finish: %q", text)
	}
	lost.on(t, replicas[2]).wantLoss(t, 15*time.Second, start)
	<-leaving.ended
	if code := leaving.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, leaving.log)
	}
}
