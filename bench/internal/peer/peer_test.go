package peer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	initialize    = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`
	call          = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"a":40,"b":2}}}`
	statelessCall = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"a":40,"b":2},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// Every peer must do the same work: what they are compared by is one call.
func TestPeersAddInBothEras(t *testing.T) {
	for _, name := range []string{MCPGo, GoSDK} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handlers[name]())
			defer server.Close()
			_, header := post(t, server.URL, initialize, nil)
			session := header.Get("Mcp-Session-Id")
			if session == "" {
				t.Fatal("initialize made no session")
			}
			body, _ := post(t, server.URL, call, http.Header{"Mcp-Session-Id": {session}, "Mcp-Protocol-Version": {"2025-11-25"}})
			checkSum(t, body)
			body, _ = post(t, server.URL, statelessCall, http.Header{
				"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"add"}})
			checkSum(t, body)
		})
	}
}

func TestFloorEchoes(t *testing.T) {
	server := httptest.NewServer(floor())
	defer server.Close()
	if body, _ := post(t, server.URL, call, nil); body != call {
		t.Error(body)
	}
}

func checkSum(t *testing.T, body string) {
	t.Helper()
	var reply struct {
		ID     int
		Result struct {
			Content           []struct{ Text string }
			StructuredContent struct{ Result int }
		}
	}
	err := json.Unmarshal([]byte(body), &reply)
	if err != nil || reply.ID != 2 || len(reply.Result.Content) != 1 || reply.Result.Content[0].Text != "42" || reply.Result.StructuredContent.Result != 42 {
		t.Errorf("%v: %s", err, body)
	}
}

func post(t *testing.T, url, body string, header http.Header) (string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", response.Status, text, err)
	}
	return string(text), response.Header
}
