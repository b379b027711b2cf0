package mcphttp

import (
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// Without telemetry a call allocates what its handling does.
func TestNoTelemetryAllocatesNothing(t *testing.T) {
	h := bothWays(t)
	p := &peer{handler: h, id: "s", record: &session.Record{ID: "s", Protocol: mcp.ProtocolVersion20251125}}
	m, err := parseMessage([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ways","arguments":{"way":"text"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	handled := testing.AllocsPerRun(100, func() { h.handle(t.Context(), p, m) })
	if dispatched := testing.AllocsPerRun(100, func() { h.dispatch(t.Context(), p, m) }); dispatched > handled {
		t.Errorf("%v allocations, of which the handling needs %v", dispatched, handled)
	}
}

// Each kind of result that mcp-go or the short way has tells a tool's error.
func TestToolErrors(t *testing.T) {
	failed := mcp.NewToolResultError("no")
	for _, result := range []any{failed, *failed, completeResult{failed, nil}} {
		if !isToolError(result) {
			t.Errorf("%T is taken for a success", result)
		}
	}
	for _, result := range []any{mcp.NewToolResultText("yes"), mcp.InitializeResult{}, nil} {
		if isToolError(result) {
			t.Errorf("%T is taken for an error", result)
		}
	}
}
