package logging

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink counts writes.
type sink struct {
	mu     sync.Mutex
	writes []string
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func (s *sink) lines() (lines []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writes {
		lines = append(lines, strings.Count(w, "\n"))
	}
	return lines
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		log := New(&s, slog.LevelInfo, slog.String("env", "test"))
		log.Info("one")
		log.With("a", 1).WithGroup("g").Info("two", "b", 2)
		log.Debug("below the level")
		if got := s.lines(); len(got) != 0 {
			t.Fatalf("written before its time: %v", got)
		}
		time.Sleep(wait)
		synctest.Wait()
		if got := s.lines(); len(got) != 1 || got[0] != 2 {
			t.Fatalf("after %v: %v, want two records in one write", wait, got)
		}
		if want := `"env":"test","a":1,"g":{"b":2}}`; !strings.Contains(s.writes[0], want) {
			t.Errorf("%s lacks %s", s.writes[0], want)
		}

		log.Info("before")
		log.Warn("at once")
		if got := s.lines(); len(got) != 2 || got[1] != 2 {
			t.Errorf("a warning: %v, want it written at once, with what came before", got)
		}
		log.Info(strings.Repeat("x", batch))
		if got := s.lines(); len(got) != 3 {
			t.Errorf("a full batch: %v, want it written at once", got)
		}
		log.Info("last")
		log.Close()
		if got := s.lines(); len(got) != 4 {
			t.Errorf("closed: %v, want what waited to be written", got)
		}
		log.Info("after the end")
		if got := s.lines(); len(got) != 5 {
			t.Errorf("after close: %v, want it written at once", got)
		}
	})
}
