package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
	"github.com/prynai/prynai-mcp/server/internal/telemetry/telemetrytest"
)

// observed is a deployment of two replicas whose telemetry a collector gets.
type observed struct {
	*telemetrytest.Collector
	environment map[string]string
	replicas    []*local
	token       string
}

const collectorKey = "the-key-that-the-collector-asks-for"

func startObserved(t *testing.T, changes ...string) *observed {
	t.Helper()
	// Read by the SDK itself, in milliseconds.
	for _, name := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"} {
		t.Setenv(name, "20")
	}
	o := &observed{Collector: telemetrytest.Start(t)}
	entra := entratest.Start(t, entratest.Options{})
	o.token = entra.Mint(entratest.Token{User: "user", Scopes: []string{"mcp.invoke"}})
	store := redistest.Embedded(t)
	environment := protected(entra)
	environment["REDIS_URL"] = "redis://" + store.Addr()
	environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = o.URL
	environment["OTEL_EXPORTER_OTLP_HEADERS"] = "api-key=" + collectorKey
	o.environment = environment
	for range 2 {
		o.replicas = append(o.replicas, o.start(t, product("test"), changes...))
	}
	return o
}

// start starts one more replica.
func (o *observed) start(t *testing.T, served mcpSurface, changes ...string) *local {
	t.Helper()
	l := startLocal(t, served, o.environment, changes...)
	l.sent.add(collectorKey)
	t.Cleanup(func() {
		if found := l.sent.shown(fmt.Sprint(o.Spans(), o.Points(), o.Records())); found != "" {
			t.Errorf("the collector was told %q", found)
		}
	})
	return l
}

func callOf(name, arguments, meta string) string {
	return `{"jsonrpc":"2.0","id":"call-1","method":"tools/call","params":{"name":"` + name + `","arguments":` + arguments + meta + `}}`
}

// span waits for one span that is as wanted.
func (o *observed) span(t *testing.T, what string, wanted func(telemetrytest.Span) bool) (found telemetrytest.Span) {
	t.Helper()
	eventually(t, what, func() bool {
		i := slices.IndexFunc(o.Spans(), wanted)
		if i >= 0 {
			found = o.Spans()[i]
		}
		return i >= 0
	})
	return found
}

func named(name string) func(telemetrytest.Span) bool {
	return func(s telemetrytest.Span) bool { return s.Name == name }
}

// childOf takes a span's child of that name.
func childOf(parent telemetrytest.Span, name string) func(telemetrytest.Span) bool {
	return func(s telemetrytest.Span) bool {
		return s.Name == name && s.Parent == parent.ID && s.Trace == parent.Trace
	}
}

// holds reports the attributes that are not as wanted.
func holds(t *testing.T, what string, got, want telemetrytest.Attributes) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %s is %q, want %q; all: %v", what, key, got[key], value, got)
		}
	}
}

// A call that a replica has to find the session for is one trace, from the HTTP
// request to what Redis is asked by the session and by the tool.
func TestTraceOfACall(t *testing.T) {
	o := startObserved(t)
	session := o.replicas[0].initialize(t, o.token, mcp.ProtocolVersion20251125)
	got := o.replicas[1].do(t, request{token: o.token, session: session, body: callOf("bump_counter", `{}`, "")})
	if got.status != http.StatusOK {
		t.Fatal(got)
	}

	operation := o.span(t, "the operation", named("tools/call bump_counter"))
	redis := o.span(t, "what the tool asks of Redis", childOf(operation, "INCRBY"))
	root := o.span(t, "the request", func(s telemetrytest.Span) bool { return s.ID == operation.Parent })
	load := o.span(t, "the session", childOf(root, "session load"))
	asked := o.span(t, "what the session asks of Redis", childOf(load, "HGETALL"))

	if root.Name != "POST /mcp" || root.Parent != "" {
		t.Errorf("the trace begins with %+v", root)
	}
	for _, s := range []struct {
		span telemetrytest.Span
		kind string
		want telemetrytest.Attributes
	}{
		{root, "SERVER", telemetrytest.Attributes{"http.request.method": "POST", "http.route": "/mcp", "http.response.status_code": "200"}},
		{operation, "SERVER", telemetrytest.Attributes{
			"mcp.method.name": "tools/call", "gen_ai.tool.name": "bump_counter", "gen_ai.operation.name": "execute_tool",
			"mcp.session.id": session, "jsonrpc.request.id": "call-1", "mcp.protocol.version": mcp.ProtocolVersion20251125,
		}},
		{load, "INTERNAL", nil},
		{redis, "CLIENT", telemetrytest.Attributes{"db.system.name": "redis", "db.operation.name": "INCRBY"}},
		{asked, "CLIENT", telemetrytest.Attributes{"db.system.name": "redis", "db.operation.name": "HGETALL"}},
	} {
		if s.span.Kind != s.kind || s.span.Failed {
			t.Errorf("%s: kind %s, failed %v", s.span.Name, s.span.Kind, s.span.Failed)
		}
		holds(t, s.span.Name, s.span.Attributes, s.want)
		holds(t, s.span.Name, s.span.Resource, telemetrytest.Attributes{"service.name": "prynai-mcp", "service.version": "dev", "deployment.environment.name": "local"})
	}
	// Nothing of it is left out.
	t.Logf("the trace:\n%s", tree(o.Spans(), root, "  "))
	all := map[string]bool{}
	for _, s := range o.Spans() {
		all[s.ID] = true
	}
	for _, s := range o.Spans() {
		if s.Trace == root.Trace && s.Parent != "" && !all[s.Parent] {
			t.Errorf("%s has a parent that was not sent", s.Name)
		}
	}
	for _, header := range o.Headers() {
		if header.Get("Api-Key") != collectorKey {
			t.Fatalf("the collector got the headers %v", header)
		}
	}
}

// tree draws a span and what is below it.
func tree(all []telemetrytest.Span, at telemetrytest.Span, indent string) string {
	text := indent + at.Name + "\n"
	for _, s := range all {
		if s.Parent == at.ID {
			text += tree(all, s, indent+"  ")
		}
	}
	return text
}

// Records of the log name the trace they belong to, here and at the collector.
func TestLogNamesItsTrace(t *testing.T) {
	o := startObserved(t)
	l := o.replicas[0]
	l.do(t, request{token: o.token, session: l.initialize(t, o.token, mcp.ProtocolVersion20251125), body: callOf("echo", `{"message":"x"}`, "")})
	operation := o.span(t, "the operation", named("tools/call echo"))
	record := func(message string) (found telemetrytest.Record) {
		eventually(t, "a record "+message, func() bool {
			i := slices.IndexFunc(o.Records(), func(r telemetrytest.Record) bool { return r.Message == message && r.Trace == operation.Trace })
			if i >= 0 {
				found = o.Records()[i]
			}
			return i >= 0
		})
		return found
	}
	if got := record("tool call"); got.Span != operation.ID || got.Attributes["tool"] != "echo" {
		t.Errorf("got %+v", got)
	}
	if got := record("request"); got.Span != operation.Parent || got.Attributes["status"] != "200" {
		t.Errorf("got %+v", got)
	}
	for _, id := range []string{operation.ID, operation.Parent} {
		eventually(t, "the ids on stdout", func() bool {
			return strings.Contains(l.log.String(), `"trace_id":"`+operation.Trace+`","span_id":"`+id+`"`)
		})
	}
}

// A caller's trace goes on here, and its word on sampling does not count.
func TestCallersTrace(t *testing.T) {
	const header, meta = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
	o := startObserved(t)
	l := o.replicas[0]
	session := l.initialize(t, o.token, mcp.ProtocolVersion20251125)
	call := request{token: o.token, session: session, header: map[string]string{"Traceparent": "00-" + header + "-b7ad6b7169203331-00"}}

	call.body = callOf("echo", `{"message":"x"}`, "")
	l.do(t, call)
	root := o.span(t, "the request", func(s telemetrytest.Span) bool { return s.Name == "POST /mcp" && s.Parent == "b7ad6b7169203331" })
	if root.Trace != header {
		t.Errorf("the request's trace is %s", root.Trace)
	}
	o.span(t, "the operation", childOf(root, "tools/call echo"))

	call.body = callOf("add", `{"a":1,"b":2}`, `,"_meta":{"traceparent":"00-`+meta+`-00f067aa0ba902b7-00"}`)
	l.do(t, call)
	operation := o.span(t, "the operation", named("tools/call add"))
	if operation.Trace != meta || operation.Parent != "00f067aa0ba902b7" || !slices.Equal(operation.Links, []string{header}) {
		t.Errorf("got %+v", operation)
	}

	call.header = map[string]string{"Traceparent": "00-not-a-trace"}
	call.body = callOf("long_task", `{"steps":1}`, `,"_meta":{"traceparent":5}`)
	l.do(t, call)
	operation = o.span(t, "the operation", named("tools/call long_task"))
	if root := o.span(t, "the request", func(s telemetrytest.Span) bool { return s.ID == operation.Parent }); root.Parent != "" {
		t.Errorf("a trace that is none was taken for one: %+v", root)
	}
}

// With a share of none, no caller can have itself traced.
func TestCallersAreNotSampled(t *testing.T) {
	o := startObserved(t, "OTEL_TRACES_SAMPLER_ARG=0")
	l := o.replicas[0]
	session := l.initialize(t, o.token, mcp.ProtocolVersion20251125)
	const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	l.do(t, request{token: o.token, session: session, header: map[string]string{"Traceparent": sampled},
		body: callOf("echo", `{"message":"x"}`, `,"_meta":{"traceparent":"`+sampled+`"}`)})
	eventually(t, "the record of the call", func() bool {
		return slices.ContainsFunc(o.Records(), func(r telemetrytest.Record) bool { return r.Message == "tool call" })
	})
	l.service.telemetry.Close() // sends what is there
	if spans := o.Spans(); len(spans) > 0 {
		t.Errorf("got %d spans: %+v", len(spans), spans[0])
	}
}

// What fails is counted by its kind, what is a stranger's is not repeated.
func TestMetrics(t *testing.T) {
	o := startObserved(t)
	l := o.replicas[0]
	session := l.initialize(t, o.token, mcp.ProtocolVersion20251125)
	for _, body := range []string{
		callOf("add", `{"a":1,"b":2}`, ""),
		callOf("add", `{"a":"hush-hush"}`, ""),
		callOf("hush-hush", `{}`, ""),
		`{"jsonrpc":"2.0","id":1,"method":"hush-hush"}`,
		`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"hush-hush"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"prynai://hush-hush"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	} {
		l.do(t, request{token: o.token, session: session, body: body})
	}
	o.ask(t, session, `"error":{"code":-77,"message":"hush-hush"}`)
	l.do(t, stateless(o.token, "tools/call", "add", `"name":"add","arguments":{"a":"hush-hush"}`))
	l.do(t, request{method: "GET", path: "/hush-hush", header: map[string]string{"User-Agent": "hush-hush"}})
	l.do(t, request{method: "HUSH", path: "/mcp"})
	l.do(t, request{method: http.MethodDelete, token: o.token, session: session})

	const sessions = mcp.ProtocolVersion20251125
	for _, want := range []struct {
		metric     string
		value      float64
		attributes telemetrytest.Attributes
	}{
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "initialize", "mcp.protocol.version": sessions}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "notifications/initialized", "mcp.protocol.version": sessions}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "tools/call", "gen_ai.tool.name": "add", "gen_ai.operation.name": "execute_tool", "mcp.protocol.version": sessions}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "tools/call", "gen_ai.tool.name": "add", "gen_ai.operation.name": "execute_tool", "mcp.protocol.version": sessions, "error.type": "tool_error"}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "tools/call", "gen_ai.tool.name": "add", "gen_ai.operation.name": "execute_tool", "mcp.protocol.version": mcp.ProtocolVersion20260728, "error.type": "tool_error"}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "tools/call", "gen_ai.tool.name": "_OTHER", "gen_ai.operation.name": "execute_tool", "mcp.protocol.version": sessions, "error.type": "-32602", "rpc.response.status_code": "-32602"}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "_OTHER", "mcp.protocol.version": sessions, "error.type": "-32601", "rpc.response.status_code": "-32601"}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "_OTHER", "mcp.protocol.version": sessions, "error.type": "-32602", "rpc.response.status_code": "-32602"}},
		{"mcp.server.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "tools/call", "gen_ai.tool.name": "summarize_via_client_llm", "gen_ai.operation.name": "execute_tool", "mcp.protocol.version": sessions}},
		{"mcp.client.operation.duration", 1, telemetrytest.Attributes{"mcp.method.name": "sampling/createMessage", "mcp.protocol.version": sessions, "error.type": "refused"}},
		{"mcp.server.session.duration", 1, telemetrytest.Attributes{"mcp.protocol.version": sessions}},
		{"http.server.request.duration", 1, telemetrytest.Attributes{"http.request.method": "GET", "http.response.status_code": "404"}},
		{"http.server.request.duration", 1, telemetrytest.Attributes{"http.request.method": "_OTHER", "http.route": "/mcp", "http.response.status_code": "401"}},
		{"http.server.request.duration", 1, telemetrytest.Attributes{"http.request.method": "DELETE", "http.route": "/mcp", "http.response.status_code": "204"}},
		{"prynai.sessions.active", 0, telemetrytest.Attributes{}},
		{"prynai.redis.up", 1, telemetrytest.Attributes{}},
	} {
		eventually(t, fmt.Sprintf("%s of %v is %v", want.metric, want.attributes, want.value), func() bool {
			return slices.ContainsFunc(o.Points(), func(p telemetrytest.Point) bool {
				return p.Metric == want.metric && p.Value == want.value && maps.Equal(p.Attributes, want.attributes)
			})
		})
	}
	var all []string
	for _, p := range o.Points() {
		all = append(all, p.Metric)
		for key, value := range p.Attributes {
			if strings.Contains(value, "hush") || strings.Contains(value, session) {
				t.Errorf("%s has the attribute %s %q", p.Metric, key, value)
			}
		}
	}
	var told []string // what docs/operate.md tells to look at
	manual, err := os.ReadFile(filepath.FromSlash("../docs/operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z.]+)` \\|").FindAllStringSubmatch(string(manual), -1) {
		told = append(told, row[1])
	}
	slices.Sort(told)
	slices.Sort(all)
	if all = slices.Compact(all); !slices.Equal(all, told) {
		t.Errorf("measures %v, while docs/operate.md tells of %v", all, told)
	}
	for _, s := range o.Spans() {
		for key, value := range s.Attributes {
			if strings.Contains(s.Name+value, "hush") {
				t.Errorf("span %s has the attribute %s %q", s.Name, key, value)
			}
		}
	}
}

// ask has a tool ask the client, on one replica, which answers on the other.
func (o *observed) ask(t *testing.T, session, answer string) {
	t.Helper()
	stream := o.replicas[0].events(t.Context(), t, request{token: o.token, session: session, body: callOf("summarize_via_client_llm", `{"text":"x"}`, "")})
	defer stream.close()
	_, data := stream.next(t, "sampling/createMessage")
	var asked struct{ ID string }
	if err := json.Unmarshal([]byte(data), &asked); err != nil {
		t.Fatal(err)
	}
	got := o.replicas[1].do(t, request{token: o.token, session: session, body: `{"jsonrpc":"2.0","id":"` + asked.ID + `",` + answer + `}`})
	if got.status != http.StatusAccepted {
		t.Errorf("the answer: %v", got)
	}
	stream.next(t, `"id":"call-1"`)
}

// A question to the client belongs to the call that asks it.
func TestTraceOfAQuestion(t *testing.T) {
	o := startObserved(t)
	o.ask(t, o.replicas[0].initialize(t, o.token, mcp.ProtocolVersion20251125), `"result":{"role":"assistant","model":"m","content":{"type":"text","text":"y"}}`)
	operation := o.span(t, "the operation", named("tools/call summarize_via_client_llm"))
	question := o.span(t, "the question", childOf(operation, "sampling/createMessage"))
	if question.Kind != "CLIENT" || question.Failed || operation.Failed {
		t.Errorf("got %+v of %+v", question, operation)
	}
	o.span(t, "what the wait asks of Redis", childOf(question, "GET"))
}

// However a call ends, it is counted once, under a name of its own.
func TestEndsOfCalls(t *testing.T) {
	o := startObserved(t)
	l := o.start(t, newProbe(newReached()))
	session := func() string { return l.initialize(t, o.token, mcp.ProtocolVersion20251125) }
	call := func(session, tool string) request {
		return request{token: o.token, session: session, body: callOf(tool, `{}`, "")}
	}
	l.do(t, call(session(), "fault"))
	l.do(t, call(session(), "panic"))

	cancelled := session()
	stream := l.events(t.Context(), t, call(cancelled, "wait"))
	stream.next(t, "notifications/waiting")
	l.do(t, request{token: o.token, session: cancelled, body: `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"call-1"}}`})

	ended := session()
	stream = l.events(t.Context(), t, call(ended, "wait"))
	stream.next(t, "notifications/waiting")
	l.do(t, request{method: http.MethodDelete, token: o.token, session: ended})

	ctx, leave := context.WithCancel(t.Context())
	stream = l.events(ctx, t, stateless(o.token, "tools/call", "wait", `"name":"wait"`))
	stream.next(t, "notifications/waiting")
	leave()

	for tool, failures := range map[string][]string{
		"fault": {"tool_error"}, "panic": {"panic"}, "wait": {"cancelled", "session_ended", "client_left"},
	} {
		for _, failure := range failures {
			eventually(t, tool+" ends with "+failure, func() bool {
				return slices.ContainsFunc(o.Points(), func(p telemetrytest.Point) bool {
					return p.Metric == "mcp.server.operation.duration" && p.Attributes["gen_ai.tool.name"] == tool && p.Attributes["error.type"] == failure && p.Value == 1
				})
			})
			o.span(t, "the failed span of it", func(s telemetrytest.Span) bool {
				return s.Name == "tools/call "+tool && s.Attributes["error.type"] == failure && s.Failed
			})
		}
	}
}

func TestOpenStreams(t *testing.T) {
	o := startObserved(t)
	l := o.replicas[0]
	session := l.initialize(t, o.token, mcp.ProtocolVersion20251125)
	is := func(value float64) func() bool {
		return func() bool {
			return slices.ContainsFunc(o.Points(), func(p telemetrytest.Point) bool { return p.Metric == "prynai.streams.open" && p.Value == value })
		}
	}
	stream := l.open(t.Context(), t, request{method: http.MethodGet, token: o.token, session: session})
	eventually(t, "a stream is open", is(1))
	if err := stream.Body.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no stream is open", is(0))
	eventually(t, "a session is known", func() bool {
		return slices.ContainsFunc(o.Points(), func(p telemetrytest.Point) bool { return p.Metric == "prynai.sessions.active" && p.Value == 1 })
	})
}

// What a replica has to tell when it ends, it tells before it is gone.
func TestEndOfAReplicaIsTold(t *testing.T) {
	collector := telemetrytest.Start(t)
	environment := map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "AUTH_REQUIRED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}
	log := &syncBuffer{}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, func(name string) string { return environment[name] }, log, t.Output(), product)
	}()

	l := &local{sent: &secrets{}}
	eventually(t, "the replica listens", func() bool {
		address := regexp.MustCompile(`"address":"(127[^"]+)"`).FindStringSubmatch(log.String())
		if address != nil {
			l.url = "http://" + address[1]
		}
		return address != nil
	})
	eventually(t, "the replica is ready", func() bool { return l.do(t, request{method: http.MethodGet, path: "/readyz"}).status == http.StatusOK })
	l.do(t, stateless("", "tools/call", "echo", `"name":"echo","arguments":{"message":"x"}`))
	end()
	if code := <-ended; code != 0 {
		t.Errorf("the replica ended with %d", code)
	}
	if !slices.ContainsFunc(collector.Spans(), named("tools/call echo")) {
		t.Error("no span of the call")
	}
	if !slices.ContainsFunc(collector.Points(), func(p telemetrytest.Point) bool { return p.Metric == "mcp.server.operation.duration" }) {
		t.Error("no measure of the call")
	}
	if !slices.ContainsFunc(collector.Records(), func(r telemetrytest.Record) bool { return r.Message == "drained" }) {
		t.Error("no record of the end")
	}
}
