package main

import (
	"strings"
	"sync"
)

// outputLimit is how much of a program's output is kept.
const outputLimit = 4000

// output keeps the end of what a program writes.
type output struct {
	mu   sync.Mutex
	text string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text += string(p)
	if surplus := len(o.text) - outputLimit; surplus > 0 {
		o.text = o.text[surplus:]
	}
	return len(p), nil
}

// String is the end of the output, from the start of a line, for an error.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text
	if len(text) == outputLimit {
		_, text, _ = strings.Cut(text, "\n")
	}
	if text = strings.TrimSpace(text); text == "" {
		return "it wrote nothing"
	}
	return "it wrote:\n    " + strings.ReplaceAll(text, "\n", "\n    ")
}
