package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// console tells people how a release gets on, each line with the time since its start.
type console struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
}

func newConsole(out io.Writer) *console { return &console{out: out, began: time.Now()} }

// say writes a line, or several of which the further ones are indented.
func (c *console) say(format string, args ...any) {
	const margin = "           "
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+margin)
	at := time.Since(c.began).Round(time.Second)
	_, _ = fmt.Fprintf(c, "%*s  %s\n", len(margin)-2, at, text) // without a reader the release goes on all the same
}

// Write writes as it is what has a form of its own.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}
