package surface

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/auth"
)

var update = flag.Bool("update", false, "write the golden files")

// store is a counter and its subscribers in memory.
type store struct {
	value   int64
	err     error
	updated []string
}

func (s *store) Add(_ context.Context, n int64) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.value += n
	return s.value, nil
}

func (s *store) Value(context.Context) (int64, error) { return s.value, s.err }

func (s *store) UpdateResource(_ context.Context, uri string) error {
	s.updated = append(s.updated, uri)
	return s.err
}

// client is a session that keeps what it is sent.
type client struct {
	sent    chan mcp.JSONRPCNotification
	sampled *mcp.CreateMessageRequest
	refuse  error
}

func (c *client) Initialize()                                         {}
func (c *client) Initialized() bool                                   { return true }
func (c *client) SessionID() string                                   { return "test" }
func (c *client) NotificationChannel() chan<- mcp.JSONRPCNotification { return c.sent }
func (c *client) GetLogLevel() mcp.LoggingLevel                       { return mcp.LoggingLevelInfo }
func (c *client) SetLogLevel(mcp.LoggingLevel)                        {}

func (c *client) RequestSampling(_ context.Context, r mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	if c.refuse != nil {
		return nil, c.refuse
	}
	c.sampled = &r
	return &mcp.CreateMessageResult{SamplingMessage: mcp.SamplingMessage{
		Role: mcp.RoleAssistant, Content: mcp.NewTextContent("in short"),
	}}, nil
}

// world is the surface with a client.
type world struct {
	*Server
	store  *store
	client *client
	log    *strings.Builder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: New("test"), store: &store{}, log: &strings.Builder{},
		client: &client{sent: make(chan mcp.JSONRPCNotification, 100)}}
	w.Register(Dependencies{Counter: w.store, Updates: w.store, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	return w
}

// request sends a JSON-RPC request and returns the reply as it goes on the wire.
func (w *world) request(t *testing.T, method, params string) string {
	t.Helper()
	ctx := w.WithContext(auth.NewContext(t.Context(), auth.Principal{Kind: auth.User}), w.client)
	reply := w.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`))
	text, err := json.Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *world) call(t *testing.T, tool, arguments string) string {
	t.Helper()
	return w.request(t, "tools/call", `{"name":"`+tool+`","arguments":`+arguments+`,"_meta":{"progressToken":"p"}}`)
}

// notified lists what the client was sent, as method and parameters.
func (w *world) notified(t *testing.T) (all []string) {
	t.Helper()
	for len(w.client.sent) > 0 {
		n := <-w.client.sent
		params, err := json.Marshal(n.Params)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n.Method+" "+string(params))
	}
	return all
}

// TestGolden holds what clients are told of each tool: a change of it is a
// change for every model that uses the tool.
func TestGolden(t *testing.T) {
	for _, tool := range tools(Dependencies{}) {
		t.Run(tool.Tool.Name, func(t *testing.T) {
			got, err := json.MarshalIndent(tool.Tool, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", tool.Tool.Name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(got)+"\n" {
				t.Errorf("differs from %s (go test ./surface -update):\n%s", path, got)
			}
			if tool.access.IsZero() {
				t.Error("declares no requirement, so nobody may call it: auth.None has to be written")
			}
			a := tool.Tool.Annotations
			if tool.Tool.Title == "" || tool.Tool.Description == "" || a.ReadOnlyHint == nil || a.IdempotentHint == nil || a.DestructiveHint == nil || a.OpenWorldHint == nil {
				t.Errorf("lacks a title, a description or an annotation: %+v", a)
			}
		})
	}
}

// TestTools calls each tool and compares a part of the reply.
func TestTools(t *testing.T) {
	for _, c := range []struct{ name, tool, arguments, want string }{
		{"sum", "add", `{"a":7,"b":8}`, `"content":[{"type":"text","text":"15"}],"structuredContent":{"result":15}}`},
		{"negative", "add", `{"a":-7,"b":-8}`, `"text":"-15"`},
		{"beyond floating point", "add", `{"a":9007199254740993,"b":0}`, `"text":"9007199254740993"`},
		{"overflow", "add", `{"a":9223372036854775807,"b":1}`, `the sum does not fit into 64 bits"}],"isError":true`},
		{"underflow", "add", `{"a":-9223372036854775808,"b":-1}`, `the sum does not fit into 64 bits"}],"isError":true`},
		{"string", "add", `{"a":"7","b":8}`, `argument \"a\" must be an integer of at most 64 bits, not string"}],"isError":true`},
		{"fraction", "add", `{"a":7.5,"b":8}`, `argument \"a\" must be an integer of at most 64 bits, not number 7.5"}],"isError":true`},
		{"too large", "add", `{"a":1e30,"b":8}`, `argument \"a\" must be an integer of at most 64 bits, not number 1e30"}],"isError":true`},
		{"missing", "add", `{"a":7}`, `argument \"b\" is missing"}],"isError":true`},
		{"null", "add", `{"a":7,"b":null}`, `argument \"b\" is missing"}],"isError":true`},
		{"unknown", "add", `{"a":7,"b":8,"c":9}`, `there is no argument \"c\"; the arguments are: a, b"}],"isError":true`},
		{"name with an escape", "add", `{"\u0061":7,"b":8}`, `"text":"15"`},
		{"unknown name with an escape", "add", `{"a":7,"b":8,"\u0063":9}`, `there is no argument \"c\"`},
		{"missing beside an escape", "add", `{"\u0061":7,"b":null}`, `argument \"b\" is missing`},
		{"list", "add", `[7,8]`, `"isError":true`},
		{"echo", "echo", `{"message":"héllo \u0000 <b>"}`, `"text":"héllo \u0000 \u003cb\u003e"`},
		{"no message", "echo", `{}`, `argument \"message\" is missing`},
		{"no steps", "long_task", `{"steps":0}`, `argument \"steps\" must be from 1 to 3000, not 0"}],"isError":true`},
		{"too many steps", "long_task", `{"steps":3001}`, `must be from 1 to 3000, not 3001`},
		{"summary", "summarize_via_client_llm", `{"text":"long"}`, `"text":"in short"`},
		{"bump", "bump_counter", `{}`, `"text":"1"`},
		{"bump by", "bump_counter", `{"step":-5}`, `"text":"-5"`},
	} {
		t.Run(c.tool+" "+c.name, func(t *testing.T) {
			if got := newWorld(t).call(t, c.tool, c.arguments); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestNotifications(t *testing.T) {
	for _, c := range []struct {
		tool, arguments string
		want            []string
	}{
		{"echo", `{"message":"hi"}`, []string{`notifications/message {"data":"echo called: hi","level":"info","logger":"prynai"}`}},
		{"long_task", `{"steps":2}`, []string{
			`notifications/message {"data":"long_task starting: 2 steps","level":"info","logger":"prynai"}`,
			`notifications/progress {"message":"step 1/2","progress":0.5,"progressToken":"p","total":1}`,
			`notifications/progress {"message":"step 2/2","progress":1,"progressToken":"p","total":1}`,
			`notifications/message {"data":"long_task done","level":"warning","logger":"prynai"}`,
		}},
		{"bump_counter", `{}`, []string{`notifications/message {"data":"counter updated -\u003e 1","level":"info","logger":"prynai"}`}},
	} {
		t.Run(c.tool, func(t *testing.T) {
			w := newWorld(t)
			w.call(t, c.tool, c.arguments)
			if got := w.notified(t); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSampling(t *testing.T) {
	w := newWorld(t)
	w.call(t, "summarize_via_client_llm", `{"text":"a long story"}`)
	params, err := json.Marshal(w.client.sampled.CreateMessageParams)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"text":"Summarize: a long story"`; !strings.Contains(string(params), want) {
		t.Errorf("params %s lack %s", params, want)
	}
	if w.client.sampled.MaxTokens != 64 || w.client.sampled.Temperature != math.SmallestNonzeroFloat64 {
		t.Errorf("params %+v: want 64 tokens and the temperature that is sent as 0", w.client.sampled)
	}

	w.client.refuse = errors.New("no")
	if got := w.call(t, "summarize_via_client_llm", `{"text":"x"}`); !strings.Contains(got, `"text":"sampling unavailable"`) || strings.Contains(got, "isError") {
		t.Errorf("refused: %s", got)
	}
	if got := w.notified(t); len(got) != 1 || !strings.Contains(got[0], `"level":"warning"`) {
		t.Errorf("refused: %q, want a warning", got)
	}
}

// TestDoubt: when the store does not answer, the client must not be told its
// addition failed, nor see the store's error; the operator must.
func TestDoubt(t *testing.T) {
	w := newWorld(t)
	w.store.err = errors.New("dial tcp 10.0.0.1:6380: connection refused")
	got := w.call(t, "bump_counter", `{}`)
	if !strings.Contains(got, "in doubt") || !strings.Contains(got, `"isError":true`) || strings.Contains(got, "10.0.0.1") {
		t.Errorf("client: %s", got)
	}
	if !strings.Contains(w.log.String(), "10.0.0.1") {
		t.Errorf("log: %s", w.log)
	}
	if got := w.request(t, "resources/read", `{"uri":"prynai://counter"}`); !strings.Contains(got, "unavailable") || strings.Contains(got, "10.0.0.1") {
		t.Errorf("resource: %s", got)
	}
}

func TestUpdates(t *testing.T) {
	w := newWorld(t)
	w.call(t, "bump_counter", `{}`)
	if len(w.store.updated) != 1 || w.store.updated[0] != "prynai://counter" {
		t.Errorf("updated %v, want prynai://counter", w.store.updated)
	}
}

func TestResourcesAndPrompts(t *testing.T) {
	w := newWorld(t)
	w.store.value = 41
	for _, c := range []struct{ method, params, want string }{
		{"resources/read", `{"uri":"prynai://status"}`, `"text":"ok"`},
		{"resources/read", `{"uri":"prynai://counter"}`, `"text":"41"`},
		{"prompts/get", `{"name":"quick_summary"}`, `a short, formal summary of the document titled \"Untitled\"`},
		{"prompts/get", `{"name":"quick_summary","arguments":{"title":"Plan","tone":"informal"}}`, `a short, informal summary of the document titled \"Plan\"`},
		{"prompts/get", `{"name":"quick_summary","arguments":{"tone":"rude"}}`, `tone must be formal or informal, not \"rude\"`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"quick_summary"},"argument":{"name":"tone","value":"in"}}`, `"values":["informal"]`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"quick_summary"},"argument":{"name":"tone","value":""}}`, `"values":["formal","informal"]`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"quick_summary"},"argument":{"name":"title","value":""}}`, `"values":[]`},
	} {
		if got := w.request(t, c.method, c.params); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: got %s, want %s", c.method, c.params, got, c.want)
		}
	}
}

// TestAccess: a tool asks for what it declares, and what declares nothing lets no one in.
func TestAccess(t *testing.T) {
	w := newWorld(t)
	secret := define(mcp.NewTool("secret"), auth.Requirement{AnyRole: []string{"Admin"}}, struct{}{}, nil,
		func(context.Context, mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, error) { return nil, nil })
	w.declare(secret)
	user, admin := auth.Principal{Kind: auth.User}, auth.Principal{Kind: auth.User, Roles: []string{"Admin"}}
	for _, c := range []struct {
		tool   string
		caller auth.Principal
		may    bool
	}{
		{"add", user, true},
		{"secret", user, false},
		{"secret", admin, true},
		{"undeclared", admin, false},
	} {
		if got := w.Access(c.tool).Allows(c.caller); got != c.may {
			t.Errorf("%s, roles %q: %v", c.tool, c.caller.Roles, got)
		}
	}
}
