package mcphttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// waysTool answers in all the ways in which a tool can.
func waysTool(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	switch request.GetString("way", "") {
	case "text":
		return mcp.NewToolResultText("a <b> & \u2028 \"c\" \x00"), nil
	case "structured":
		return mcp.NewToolResultStructured(map[string]any{"b": 1, "a": "<"}, "b"), nil
	case "error result":
		return mcp.NewToolResultError("no"), nil
	case "error":
		return nil, errors.New("broken")
	case "url":
		return nil, mcp.URLElicitationRequiredError{}
	case "nothing":
		return nil, nil
	case "image":
		return mcp.NewToolResultImage("text", "cGljdHVyZQ==", "image/png"), nil
	case "annotated":
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.TextContent{
			Annotated: mcp.Annotated{Annotations: &mcp.Annotations{Audience: []mcp.Role{mcp.RoleUser}}}, Type: "text", Text: "x",
		}}}, nil
	case "meta":
		r := mcp.NewToolResultText("x")
		r.Meta = &mcp.Meta{AdditionalFields: map[string]any{"z": 1, "a": "b"}}
		return r, nil
	case "empty":
		return &mcp.CallToolResult{}, nil
	case "large":
		return mcp.NewToolResultText(string(bytes.Repeat([]byte("x"), 100_000))), nil
	case "arguments":
		raw, err := json.Marshal(request.Params)
		return mcp.NewToolResultText(string(raw) + request.Method), err
	default:
		return mcp.NewToolResultText("default"), nil
	}
}

// bothWays is a handler whose engine has middlewares and the tool.
func bothWays(tb testing.TB) *Handler {
	tb.Helper()
	engine := server.NewMCPServer("test", "1", server.WithToolCapabilities(false), server.WithTitle("Title"))
	h := &Handler{server: engine}
	var err error
	if h.direct, err = newDirect(engine); err != nil {
		tb.Fatal(err)
	}
	h.useTools(func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if server.ServerFromContext(ctx) != engine {
				return nil, errors.New("the handler does not find its server")
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return next(ctx, request)
		}
	})
	engine.AddTool(mcp.NewTool("ways", mcp.WithString("way")), waysTool)
	engine.AddTool(mcp.NewTool("compute", mcp.WithString("way")), func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		request.Params.Meta = nil // is not promised to such a tool, nor are decoded arguments
		if err := json.Unmarshal(request.Params.RawArguments, &request.Params.Arguments); err != nil {
			return nil, err
		}
		return waysTool(ctx, request)
	})
	h.computes = computes
	return h
}

// answers gives the bytes of both ways, and whether the short one was taken.
func (h *Handler) answers(tb testing.TB, body string, stateless bool) (short, long []byte, taken bool) {
	tb.Helper()
	m, err := parseMessage([]byte(body))
	if err != nil {
		return nil, nil, false
	}
	client := func() *peer {
		p := &peer{handler: h, id: "s", record: &session.Record{ID: "s", Protocol: mcp.ProtocolVersion20251125}}
		if stateless {
			p.record = &session.Record{Protocol: mcp.ProtocolVersion20260728}
		}
		return p
	}
	p := client()
	answer, taken := h.direct.call(tb.Context(), p, m, h.namedTool(m), h.computing(m))
	if !taken {
		return nil, nil, false
	}
	short, _, err = encodeReply(m, answer)
	if err != nil {
		tb.Fatal(err)
	}
	q := client()
	engine := h.server.HandleMessage(h.server.WithContext(tb.Context(), q), m.raw)
	switch r := engine.(type) { // under the id as it was written
	case mcp.JSONRPCResponse:
		long, err = json.Marshal(struct {
			Version string          `json:"jsonrpc"`
			ID      json.RawMessage `json:"id"`
			Result  any             `json:"result"`
		}{mcp.JSONRPC_VERSION, m.ID, r.Result})
	case mcp.JSONRPCError:
		long, err = encodeError(m.ID, r.Error)
	}
	if err != nil {
		tb.Fatal(err)
	}
	a, b := p.record, q.record
	if left, right := mustJSON(tb, a), mustJSON(tb, b); !bytes.Equal(left, right) {
		tb.Errorf("%s: the peers differ: %s, %s", body, left, right)
	}
	return short, long, true
}

func mustJSON(tb testing.TB, v any) []byte {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

const statelessMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/clientInfo":{"name":"n","version":"1"},"progressToken":7,"x":[1]}`

// TestDirectEqualsEngine compares both ways, byte for byte.
func TestDirectEqualsEngine(t *testing.T) {
	h := bothWays(t)
	for _, way := range []string{"text", "structured", "error result", "error", "url", "nothing", "image", "annotated", "meta", "empty", "large", "arguments", "other"} {
		for _, id := range []string{`1`, `"a\u003c<"`, `12345678901234567890`, `-1`} {
			for _, stateless := range []bool{false, true} {
				meta := `"_meta":{"progressToken":"p","y":{}}`
				if stateless {
					meta = statelessMeta
				}
				body := `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"ways","arguments":{"way":"` + way + `","n":9007199254740993},` + meta + `}}`
				short, long, taken := h.answers(t, body, stateless)
				if !taken {
					t.Errorf("%s took the long way", body)
				}
				if !bytes.Equal(short, long) {
					t.Errorf("%s, stateless %v:\nshort %.300s\nlong  %.300s", body, stateless, short, long)
				}
			}
		}
	}
}

// TestDirectLeaves: what the short way does not know is mcp-go's, and the tool
// has not run before.
func TestDirectLeaves(t *testing.T) {
	h := bothWays(t)
	runs := 0
	h.server.AddTool(mcp.NewTool("count"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		runs++
		return mcp.NewToolResultText(""), nil
	})
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"count"}}`,
		`{"id":1,"method":"tools/call","params":{"name":"count"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count"},"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","task":{}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","inputResponses":{}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","requestState":"x"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","_meta":5}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"unknown"}}`,
	} {
		if _, _, taken := h.answers(t, body, false); taken {
			t.Errorf("%s took the short way", body)
		}
	}
	if runs != 0 {
		t.Errorf("the tool ran %d times", runs)
	}
}

// TestDirectAsks: a tool that needs input runs once for each round, although
// the older revisions are asked by mcp-go.
func TestDirectAsks(t *testing.T) {
	h := bothWays(t)
	runs := 0
	h.server.AddTool(mcp.NewTool("ask"), func(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		runs++
		if server.RootsResponse(request.Params.InputResponses, "roots") != nil {
			return mcp.NewToolResultText("answered"), nil
		}
		return server.NewInputRequestBuilder("").Roots("roots").ToolResult(), nil
	})
	m, err := parseMessage([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}}`))
	if err != nil {
		t.Fatal(err)
	}
	client := &rooted{peer: peer{handler: h, id: "s", record: &session.Record{ID: "s", Protocol: mcp.ProtocolVersion20251125}}}
	answer := h.server.HandleMessage(h.server.WithContext(t.Context(), client), m.raw)
	want := string(mustJSON(t, answer))
	long := runs
	runs = 0
	direct, taken := h.direct.call(h.server.WithContext(t.Context(), client), &client.peer, m, h.namedTool(m), h.computing(m))
	if !taken {
		t.Fatal("took the long way")
	}
	_ = direct // the peer of the short way has no stream to ask on: see TestQuestions
	if long != 2 || runs != 1 {
		t.Errorf("the tool ran %d and %d times; mcp-go answered %s", long, runs, want)
	}
}

// rooted is a client that answers roots/list.
type rooted struct{ peer }

func (*rooted) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	return &mcp.ListRootsResult{}, nil
}

// FuzzDirect holds the equality for whatever is not JSON by accident.
func FuzzDirect(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ways","arguments":{"way":"text"}}}`,
		`{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"ways","arguments":{"way":"arguments"},` + statelessMeta + `}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"ping","params":{"name":"ways","Name":"x","arguments":null}}`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	for _, number := range []string{`1e999`, `1E+9`, strings.Repeat("9", 400), `"1e9"`} {
		f.Add(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ways","arguments":{"way":"text"},"_meta":{"n":`+number+`}}}`, false)
	}
	f.Fuzz(func(t *testing.T, body string, stateless bool) {
		h := bothWays(t)
		for _, body := range []string{body, strings.ReplaceAll(body, `"ways"`, `"compute"`)} {
			short, long, taken := h.answers(t, body, stateless)
			if taken && !bytes.Equal(short, long) {
				t.Errorf("%s\nshort %s\nlong  %s", body, short, long)
			}
		}
	})
}

func BenchmarkDispatch(b *testing.B) {
	h := bothWays(b)
	for _, c := range []struct {
		name, meta string
		stateless  bool
	}{{"sessions", `"_meta":{}`, false}, {"stateless", statelessMeta, true}} {
		body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ways","arguments":{"way":"structured"},` + c.meta + `}}`)
		p := &peer{handler: h, id: "s", record: &session.Record{ID: "s", Protocol: mcp.ProtocolVersion20251125}}
		if c.stateless {
			p.record = &session.Record{Protocol: mcp.ProtocolVersion20260728}
		}
		b.Run(c.name+"/direct", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, _ := parseMessage(body)
				answer, _ := h.direct.call(b.Context(), p, m, h.namedTool(m), h.computing(m))
				if _, _, err := encodeReply(m, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/engine", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, _ := parseMessage(body)
				if _, err := json.Marshal(h.server.HandleMessage(h.server.WithContext(b.Context(), p), m.raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
