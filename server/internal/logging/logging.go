// Package logging is the server's log: JSON records, encoded and written in
// batches.
//
// A write for each record would cost a system call each, as much as the rest of
// a plain call's work outside net/http; and a record that is encoded between
// two calls finds the processor's caches without any of the encoder. So records
// wait for others, for a tenth of a second at most, and are encoded together.
// Warnings and errors are written at once, with all that came before them, and
// so is a record with a value that might be another one by then. A process that
// is killed outright loses what waited, one that ends in any other way loses
// nothing: Close writes it.
package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// wait is how long a record may wait for others.
	wait = 100 * time.Millisecond
	// batch is how many records wait at the most.
	batch = 256
)

// Log is a logger and what it writes through.
type Log struct {
	*slog.Logger
	queue *queue
}

// New makes a log whose records go to w.
func New(w io.Writer, level slog.Leveler, attrs ...slog.Attr) *Log {
	q := &queue{out: w}
	encoder := slog.NewJSONHandler(&q.text, &slog.HandlerOptions{Level: level})
	return &Log{Logger: slog.New(handler{encoder.WithAttrs(attrs), q}), queue: q}
}

// Close writes what waits. Later records are written at once.
func (l *Log) Close() { l.queue.close() }

// handler has its records wait in a queue until they are encoded.
type handler struct {
	slog.Handler // the encoder, which has no use for a context
	queue        *queue
}

// Handle is part of [slog.Handler].
func (h handler) Handle(_ context.Context, r slog.Record) error {
	h.queue.add(entry{h.Handler, r}, r.Level >= slog.LevelWarn || mayChange(r))
	return nil
}

// WithAttrs is part of [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.queue}
}

// WithGroup is part of [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.queue}
}

// mayChange reports whether the record has a value that only its owner knows.
func mayChange(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = opaque(a)
		return !found
	})
	return found
}

func opaque(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindAny, slog.KindLogValuer:
		return true
	case slog.KindGroup:
		return slices.ContainsFunc(a.Value.Group(), opaque)
	}
	return false
}

// queue gathers records. What it cannot write is lost: there is nobody to tell.
// Whoever logs waits while a batch is written: what comes faster than it can be
// written slows those who make it.
type queue struct {
	mu      sync.Mutex
	out     io.Writer
	waiting []entry
	text    bytes.Buffer // what they are encoded into
	timer   *time.Timer  // writes what waits; nil when nothing does
	closed  bool
}

// entry is a record and who encodes it.
type entry struct {
	encoder slog.Handler
	record  slog.Record
}

func (q *queue) add(e entry, now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, e)
	switch {
	case now || q.closed || len(q.waiting) >= batch:
		q.write()
	case q.timer == nil:
		q.timer = time.AfterFunc(wait, q.flush)
	}
}

func (q *queue) flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.write()
}

// write is called with mu held.
func (q *queue) write() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	for _, e := range q.waiting {
		_ = e.encoder.Handle(context.Background(), e.record)
	}
	if q.text.Len() > 0 {
		_, _ = q.out.Write(q.text.Bytes())
	}
	q.text.Reset()
	clear(q.waiting)
	q.waiting = q.waiting[:0]
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.write()
}
