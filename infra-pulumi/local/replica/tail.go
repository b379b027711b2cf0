package replica

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

const (
	tailLines  = 20
	lineLength = 2000 // bytes of a line that are kept
)

// tail keeps the last lines of a log, with secrets hidden, and passes each on.
type tail struct {
	name string
	out  io.Writer
	hide *strings.Replacer

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func newTail(name string, out io.Writer, secrets []string) *tail {
	var pairs []string
	for _, secret := range secrets {
		if secret != "" {
			pairs = append(pairs, secret, "[secret]")
		}
	}
	return &tail{name: name, out: out, hide: strings.NewReplacer(pairs...)}
}

// Write takes what a process wrote, in pieces of any size.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, p...)
	for {
		line, rest, found := bytes.Cut(t.partial, []byte("\n"))
		if !found {
			break
		}
		t.keep(string(bytes.TrimRight(line, "\r")))
		t.partial = rest
	}
	return len(p), nil
}

func (t *tail) keep(line string) {
	line = t.hide.Replace(line)
	if len(line) > lineLength {
		line = line[:lineLength] + " …"
	}
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
	if t.out != nil {
		// Whoever reads the log went away: not the replica's concern.
		_, _ = fmt.Fprintf(t.out, "%s | %s\n", t.name, line)
	}
}

// Lines are the last lines.
func (t *tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := append([]string(nil), t.lines...)
	if len(t.partial) > 0 {
		lines = append(lines, t.hide.Replace(string(t.partial)))
	}
	return lines
}
