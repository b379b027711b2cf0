package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// table is what the matrix prints in the end.
type table struct {
	mu   sync.Mutex
	rows []string
}

func (tb *table) add(where, name string, r result) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	control := "-"
	if r.control > 0 {
		control = fmt.Sprint(r.control)
	}
	tb.rows = append(tb.rows, fmt.Sprintf("%-8s %-30s %8d %6d %8d %5d %7d %5d  %7s %6.1fs", where, name,
		r.requests, r.failures, r.lost, r.tasks, r.streams, r.cut, control, r.took.Seconds()))
}

func (tb *table) String() string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	head := fmt.Sprintf("%-8s %-30s %8s %6s %8s %5s %7s %5s  %7s %7s", "", "release", "requests", "failed", "sessions", "long", "streams", "cut", "control", "time")
	second := fmt.Sprintf("%-8s %-30s %8s %6s %8s %5s %7s %5s  %7s", "", "", "", "", "lost", "tasks", "opened", "", "failed")
	slices.Sort(tb.rows) // what was where stands together
	return "\n" + strings.Join(append([]string{head, second}, tb.rows...), "\n")
}
