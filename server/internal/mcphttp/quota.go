package mcphttp

import (
	"net/http"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// quota bounds what each principal has open on this replica: running calls,
// whether or not their client is still there, and streams of events. What ends
// these, answers and cancellations, is not counted.
type quota struct {
	limit int // 0 is none

	mu   sync.Mutex
	open map[string]int
}

// take returns an error when the principal has too much open, else give is owed.
func (q *quota) take(principal string) error {
	if q.limit == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[principal] >= q.limit {
		return refuse(http.StatusTooManyRequests, mcp.INVALID_REQUEST, "Too many calls and streams are open: wait for some to end, or end some.")
	}
	q.open[principal]++
	return nil
}

func (q *quota) give(principal string) {
	if q.limit == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[principal]--; q.open[principal] == 0 {
		delete(q.open, principal)
	}
}
