package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ask registers a question of a fresh call.
func (r *replica) ask(t *testing.T, session string, lifetime time.Duration) *Question {
	t.Helper()
	q := r.NewQuestion(session, lifetime)
	t.Cleanup(func() { q.Close(context.Background()) })
	if err := r.stream(t, session).Ask(t.Context(), q, []byte("?")); err != nil {
		t.Fatal(err)
	}
	return q
}

func testQuestions(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record, stranger, ctx := one.create(t), one.create(t), t.Context()
	q := one.ask(t, record.ID, time.Minute)
	for id, session := range map[string]string{
		q.ID(): stranger.ID, q.ID() + "x": record.ID, "nonsense": record.ID, "": record.ID, "{x}_1": record.ID,
	} {
		want(t, "answer to "+id, other.Answer(ctx, session, id, []byte("wrong")), ErrNoQuestion)
	}
	want(t, "an answer that is too large", other.Answer(ctx, record.ID, q.ID(), []byte(strings.Repeat("x", DefaultLimits.EventBytes+1))), ErrNoQuestion)

	// Of many answers on several replicas one counts.
	var answers sync.WaitGroup
	var accepted atomic.Int32
	var text atomic.Value
	for i := range 10 {
		answers.Go(func() {
			answer := fmt.Sprint("answer ", i)
			r := []*replica{one, other}[i%2]
			if r.Answer(ctx, record.ID, q.ID(), []byte(answer)) == nil {
				accepted.Add(1)
				text.Store(answer)
			}
		})
	}
	got, err := q.Wait(ctx)
	answers.Wait()
	if err != nil || accepted.Load() != 1 || string(got) != text.Load() {
		t.Errorf("got %q, %v; accepted %d, the last %v", got, err, accepted.Load(), text.Load())
	}
	q.Close(ctx)
	want(t, "a late answer", other.Answer(ctx, record.ID, q.ID(), []byte("late")), ErrNoQuestion)

	unanswered := one.ask(t, record.ID, 10*time.Millisecond)
	if _, err := unanswered.Wait(ctx); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("without an answer: %v", err)
	}
}

// testQuestionReread loses the wake-up.
func testQuestionReread(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record := one.create(t)
	q := one.ask(t, record.ID, time.Minute)
	one.bus.mu.Lock()
	delete(one.bus.waiters, q.ID())
	one.bus.mu.Unlock()
	want(t, "answer", other.Answer(t.Context(), record.ID, q.ID(), []byte("yes")), nil)
	if got, err := q.Wait(t.Context()); string(got) != "yes" {
		t.Errorf("got %q, %v", got, err)
	}
}
