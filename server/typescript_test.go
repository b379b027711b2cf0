package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

const typescriptSDK = "1.32.2"

// TestTypeScriptClient has the official TypeScript client use three replicas
// as one server; what it does is in testdata/typescript/client.mjs.
func TestTypeScriptClient(t *testing.T) {
	gate(t, "PRYNAI_NODE")
	program := node(t)
	sdk := npmInstall(t, "typescript-sdk", "@modelcontextprotocol/sdk", typescriptSDK)

	redis := "REDIS_URL=" + redistest.Start(t, "--appendonly", "no").URL
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = startReplica(t, "product", redis)
	}
	balancer := startBalancer(t, replicas...)
	control := httptest.NewServer(faults(balancer))
	defer control.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	client := exec.CommandContext(ctx, program,
		"--test", "--test-force-exit", "--test-reporter=spec", filepath.Join("testdata", "typescript", "client.mjs"))
	client.Env = append(os.Environ(), "SDK="+sdk, "MCP_URL="+balancer.URL+"/mcp", "CONTROL_URL="+control.URL)
	output, err := client.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
	balancer.resumedElsewhere(t, `"steps":15`)
}

// faults are what the client's tests can have happen to it.
func faults(b *balancer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cut", func(http.ResponseWriter, *http.Request) { b.CloseClientConnections() })
	// The replica is killed that runs the call whose body has the text.
	mux.HandleFunc("GET /kill/{text}", func(_ http.ResponseWriter, r *http.Request) {
		for _, v := range b.visited() {
			if strings.Contains(v.Body, r.PathValue("text")) {
				v.Replica.kill()
			}
		}
	})
	return mux
}
