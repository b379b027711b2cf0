// Package logging is the server's log: JSON records, written in batches.
//
// A record for each request would cost a system call each, as much as the rest
// of a plain call's work outside net/http. So records wait for others, for a
// tenth of a second at most; warnings and errors are written at once, with all
// that came before them. A process that is killed outright loses what waited,
// one that ends in any other way loses nothing: Close writes it.
package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// wait is how long a record may wait for others.
	wait = 100 * time.Millisecond
	// batch is how many bytes wait at the most.
	batch = 32 << 10
)

// Log is a logger and what it writes through.
type Log struct {
	*slog.Logger
	writer *writer
}

// New makes a log whose records go to w.
func New(w io.Writer, level slog.Leveler, attrs ...slog.Attr) *Log {
	out := &writer{out: w}
	var handler slog.Handler = slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})
	handler = flushing{handler.WithAttrs(attrs), out}
	return &Log{Logger: slog.New(handler), writer: out}
}

// Close writes what waits. Later records are written at once.
func (l *Log) Close() { l.writer.close() }

// flushing writes warnings and errors at once.
type flushing struct {
	slog.Handler
	out *writer
}

// Handle is part of [slog.Handler].
func (f flushing) Handle(ctx context.Context, r slog.Record) error {
	err := f.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		f.out.flush()
	}
	return err
}

// WithAttrs is part of [slog.Handler].
func (f flushing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return flushing{f.Handler.WithAttrs(attrs), f.out}
}

// WithGroup is part of [slog.Handler].
func (f flushing) WithGroup(name string) slog.Handler {
	return flushing{f.Handler.WithGroup(name), f.out}
}

// writer gathers records. What it cannot write is lost: there is nobody to tell.
type writer struct {
	mu      sync.Mutex
	out     io.Writer
	waiting []byte
	timer   *time.Timer // writes what waits; nil when nothing does
	closed  bool
}

// Write is part of [io.Writer]; slog calls it once for each record.
func (w *writer) Write(record []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, record...)
	switch {
	case w.closed || len(w.waiting) >= batch:
		w.write()
	case w.timer == nil:
		w.timer = time.AfterFunc(wait, w.flush)
	}
	return len(record), nil
}

func (w *writer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write()
}

// write is called with mu held.
func (w *writer) write() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if len(w.waiting) > 0 {
		_, _ = w.out.Write(w.waiting)
		w.waiting = w.waiting[:0]
	}
}

func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.write()
}
