package logging

import (
	"encoding/json"
	"io"
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
		for range batch {
			log.Info("one of many")
		}
		if got := s.lines(); len(got) != 3 || got[2] != batch {
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

// A record says what was so when it was logged, also where it is encoded later.
func TestValuesThatChange(t *testing.T) {
	tests := map[string]func(number *int) slog.Attr{
		"pointer":  func(number *int) slog.Attr { return slog.Any("number", number) },
		"resolved": func(number *int) slog.Attr { return slog.Any("number", reading{number}) },
		"nested":   func(number *int) slog.Attr { return slog.Group("in", slog.Group("in", slog.Any("number", number))) },
	}
	for name, attr := range tests {
		t.Run(name, func(t *testing.T) {
			var s sink
			log := New(&s, slog.LevelInfo)
			number := 1
			log.Info("plain")
			log.LogAttrs(t.Context(), slog.LevelInfo, "reads", attr(&number))
			number = 2
			log.Close()
			if got := strings.Join(s.writes, ""); !strings.Contains(got, `"number":1`) || strings.Index(got, "plain") > strings.Index(got, "reads") {
				t.Errorf("%s, want the number as it was, after what came before", got)
			}
		})
	}
}

// reading is a number when it is asked for.
type reading struct{ number *int }

func (r reading) LogValue() slog.Value { return slog.IntValue(*r.number) }

// Nothing is lost, doubled or put before what came earlier, whoever writes.
func TestManyWriters(t *testing.T) {
	const writers, records = 8, 5 * batch
	var s sink
	log := New(&s, slog.LevelInfo)
	var running sync.WaitGroup
	for writer := range writers {
		running.Go(func() {
			own := log.With("writer", writer)
			for i := range records {
				level := slog.LevelInfo
				if i%100 == 99 {
					level = slog.LevelWarn // written at once, by whoever it is
				}
				own.Log(t.Context(), level, "a record", "number", i)
			}
		})
	}
	running.Wait()
	log.Close()
	var next [writers]int
	for line := range strings.Lines(strings.Join(s.writes, "")) {
		var r struct{ Writer, Number int }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if r.Number != next[r.Writer] {
			t.Fatalf("writer %d: record %d, want %d", r.Writer, r.Number, next[r.Writer])
		}
		next[r.Writer]++
	}
	for writer, n := range next {
		if n != records {
			t.Errorf("writer %d: %d of %d records", writer, n, records)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	log := New(io.Discard, slog.LevelInfo, slog.String("env", "test"))
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("method", "POST"), slog.Int("status", 200), slog.Float64("duration_ms", 0.125))
	}
}
