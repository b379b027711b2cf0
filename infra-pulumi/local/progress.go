package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// reminder is how long a step may take before it says that it is still at it.
const reminder = 15 * time.Second

// progress tells what is going on, each line with the time since the start.
type progress struct {
	began time.Time
	mu    sync.Mutex
	out   io.Writer
}

func newProgress(out io.Writer) *progress {
	return &progress{began: time.Now(), out: out}
}

// say writes a line.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const indent = "\n         "
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", indent)
	// Without a reader the work goes on all the same.
	_, _ = fmt.Fprintf(p.out, "%7s  %s\n", fmt.Sprintf("%.1fs", time.Since(p.began).Seconds()), text)
}

// step announces something that may take a while, and does it. It returns how
// long that took.
func (p *progress) step(what string, do func() error) (took time.Duration, err error) {
	p.say("%s …", what)
	began, done := time.Now(), make(chan struct{})
	go func() {
		tick := time.NewTicker(reminder)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				p.say("%s … still at it", what)
			}
		}
	}()
	defer close(done)
	err = do()
	return time.Since(began).Round(100 * time.Millisecond), err
}
