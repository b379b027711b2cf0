package main

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/surface"
)

// busySurface has a tool beside the product's that computes without an end in
// sight, and waits for nothing.
type busySurface struct{ mcpSurface }

const busyFor = 3 * time.Second

func newBusySurface(build string) mcpSurface { return busySurface{product(build)} }

func (b busySurface) Register(d surface.Dependencies) {
	b.mcpSurface.Register(d)
	b.Engine().AddTools(server.ServerTool{
		Tool: mcp.NewTool("busy"),
		Handler: func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			for started := time.Now(); time.Since(started) < busyFor; {
			}
			return mcp.NewToolResultText("done"), nil
		},
	})
}

// A tool that computes holds nobody up for long: not in a container of a single
// processor either, and not where its request woke an idle process, of which
// the scheduler's monitor hears nothing (see package rawconn).
func TestBusyTool(t *testing.T) {
	r := startReplica(t, "busy", "GOMAXPROCS=1")
	c := at(r, "")
	if err := c.initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // idle is what the process is to be
	done := make(chan struct{})
	started := time.Now()
	go func() {
		defer close(done)
		response, err := c.send(t.Context(), http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"busy"}}`, "")
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}()
	answered := 0
	for ended := false; !ended; {
		early := time.Since(started) < busyFor/4 // the tool may not have begun
		ok := status(t, r, "/livez") == http.StatusOK
		select {
		case <-done:
			ended = true
		default:
			if ok && !early {
				answered++
			}
		}
	}
	if answered == 0 {
		t.Error("nobody got an answer while a tool was busy")
	}
	t.Logf("%d requests were answered meanwhile", answered)
}
