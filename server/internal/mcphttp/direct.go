package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// The short way of a plain tools/call. mcp-go decodes a message up to six times
// and encodes results through maps; this way decodes once and calls the tool's
// handler, within the same middlewares. Whatever it does not know it leaves to
// mcp-go. A reader can skip this file: TestDirectEqualsEngine holds that both
// ways answer alike, byte for byte.

// direct calls tools around mcp-go's dispatch.
type direct struct {
	engine      *server.MCPServer
	run         server.ToolHandlerFunc         // the tool of the context, within what middlewares the transport has given mcp-go
	inner       []server.ToolHandlerMiddleware // those of run, outermost first
	engineValue context.Context                // has the value by which a handler finds its mcp-go server
	server      mcp.Implementation             // what stateless results say of this server
	identity    json.RawMessage                // and a _meta of nothing else, encoded
}

// probeTool exists for a moment, to see what mcp-go gives a handler.
const probeTool = "mcphttp-probe"

// newDirect is to be called before the engine serves anybody.
func newDirect(engine *server.MCPServer) (d *direct, err error) {
	d = &direct{engine: engine, run: runNamed}
	engine.Use(resumeFirstResult)
	engine.AddTools(server.ServerTool{
		Tool: mcp.NewTool(probeTool),
		Handler: func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			d.engineValue = context.WithoutCancel(ctx)
			return mcp.NewToolResultText(""), nil
		},
	})
	defer engine.DeleteTools(probeTool)
	ctx := engine.WithContext(context.Background(), &broadcastTap{})
	engine.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+probeTool+`"}}`))
	answer, ok := engine.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+
		mcp.LATEST_LEGACY_PROTOCOL_VERSION+`","capabilities":{},"clientInfo":{"name":"","version":""}}}`)).(mcp.JSONRPCResponse)
	if !ok || d.engineValue == nil {
		return nil, errors.New("mcphttp: mcp-go did not run the probe")
	}
	result, ok := answer.Result.(mcp.InitializeResult)
	if !ok {
		return nil, fmt.Errorf("mcphttp: mcp-go answered initialize with %T", answer.Result)
	}
	var meta mcp.Meta
	d.server = result.ServerInfo
	meta.SetServerInfo(d.server)
	d.identity, err = json.Marshal(&meta)
	return d, err
}

// use adds a middleware to both ways, within those that are there.
func (d *direct) use(m server.ToolHandlerMiddleware) {
	d.engine.Use(m)
	d.inner = append(d.inner, m)
	d.run = runNamed
	for _, m := range slices.Backward(d.inner) {
		d.run = m(d.run)
	}
}

// toolContext is a request's context in which mcp-go's own value is found too,
// and the tool.
type toolContext struct {
	context.Context
	engine context.Context
	tool   *server.ServerTool
}

type toolKey struct{}

func (c *toolContext) Value(key any) any {
	if key == (toolKey{}) {
		return c.tool
	}
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.engine.Value(key)
}

// runNamed stands for whichever tool is called, so that the middlewares need
// not be put around each anew.
func runNamed(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	return ctx.Value(toolKey{}).(*server.ServerTool).Handler(ctx, request)
}

// call answers a tools/call, or reports that it is mcp-go's to answer. Then the
// tool has not run.
//
// A tool that only computes sees the arguments as they are written, and nothing
// of the request's _meta.
func (d *direct) call(ctx context.Context, p *peer, m *message, tool *server.ServerTool, computes bool) (answer mcp.JSONRPCMessage, ok bool) {
	if !m.isRequest() || m.Method != string(mcp.MethodToolsCall) || m.Version != mcp.JSONRPC_VERSION || len(m.Result) > 0 || d.engine.GetHooks() != nil {
		return nil, false
	}
	params, err := m.params()
	if err != nil || len(params.Task) > 0 || len(params.InputResponses) > 0 || params.RequestState != "" {
		return nil, false
	}
	if tool == nil || tool.Handler == nil || tool.Tool.Execution != nil && tool.Tool.Execution.TaskSupport == mcp.TaskSupportRequired {
		return nil, false
	}
	info := &server.RequestProtocolInfo{ProtocolVersion: params.Meta.protocolVersion()}
	var meta *mcp.Meta
	if !computes || params.Meta != nil && mayOverflow(params.Meta.raw) {
		meta, err = params.Meta.generic()
	}
	switch {
	case err != nil, params.Meta != nil && params.Meta.malformed,
		mcp.IsModernProtocol(info.ProtocolVersion) != p.stateless(),
		p.stateless() && info.ProtocolVersion != p.record.Protocol,
		p.stateless() && !p.state(info, params.Meta):
		return nil, false
	}
	request := mcp.CallToolRequest{Request: mcp.Request{Method: m.Method}}
	request.Params.Name = params.Name
	request.Params.Meta = meta
	request.Params.RawArguments = params.Arguments
	if len(params.Arguments) > 0 && (!computes || mayOverflow(params.Arguments)) &&
		json.Unmarshal(params.Arguments, &request.Params.Arguments) != nil {
		return nil, false
	}
	ctx = &toolContext{d.engine.WithContext(server.WithRequestProtocolInfo(ctx, info), p), d.engineValue, tool}
	result, err := d.run(ctx, request)
	switch {
	case err != nil:
		return callError(err, p), true
	case result == nil:
		return callError(fmt.Errorf("tool '%s' handler returned no result", params.Name), p), true
	case result.NeedsInput() && !p.stateless():
		// The older revisions are asked by mcp-go, which is told what the tool
		// has answered so far.
		return d.engine.HandleMessage(context.WithValue(d.engine.WithContext(ctx, p), firstResultKey{}, &firstResult{result: result}), m.raw), true
	}
	if p.stateless() {
		return d.complete(result), true
	}
	return mcp.JSONRPCResponse{JSONRPC: mcp.JSONRPC_VERSION, Result: result}, true
}

// mayOverflow reports whether a number in the text may be too large for
// encoding/json, which is all that decoding valid text can fail with.
func mayOverflow(text []byte) bool {
	for i := 1; i < len(text); i++ {
		if c := text[i]; (c == 'e' || c == 'E') && '0' <= text[i-1] && text[i-1] <= '9' { // perhaps an exponent
			return true
		}
	}
	const safe = 300 // digits without one
	return len(text) > safe
}

// state notes what a stateless request says of its client.
func (p *peer) state(info *server.RequestProtocolInfo, meta *requestMeta) bool {
	if meta == nil || meta.Capabilities == nil {
		return false
	}
	info.Modern = true
	info.ClientInfo = meta.Client
	info.ClientCapabilities = meta.Capabilities
	info.LogLevel = meta.Level
	if info.ClientInfo != nil {
		p.SetClientInfo(*info.ClientInfo)
	}
	p.SetClientCapabilities(*info.ClientCapabilities)
	return true
}

// complete adds what mcp-go adds to the results of the stateless revision. Most
// have no _meta of their own, and get the one that is encoded already.
func (d *direct) complete(result *mcp.CallToolResult) mcp.JSONRPCMessage {
	if result.ResultType == "" {
		result.ResultType = mcp.ResultTypeComplete
	}
	if result.Meta == nil {
		return mcp.JSONRPCResponse{JSONRPC: mcp.JSONRPC_VERSION, Result: completeResult{result, d.identity}}
	}
	if result.Meta.ServerInfo() == nil {
		result.Meta.SetServerInfo(d.server)
	}
	return mcp.JSONRPCResponse{JSONRPC: mcp.JSONRPC_VERSION, Result: result}
}

// completeResult is a result with an encoded _meta.
type completeResult struct {
	*mcp.CallToolResult
	meta json.RawMessage
}

// callError is mcp-go's answer to a handler's error.
func callError(err error, p *peer) mcp.JSONRPCMessage {
	details := mcp.JSONRPCErrorDetails{Code: mcp.INTERNAL_ERROR, Message: err.Error()}
	var elicit mcp.URLElicitationRequiredError
	if errors.As(err, &elicit) && !p.stateless() {
		told := elicit.JSONRPCError().Error
		details.Code, details.Data = told.Code, told.Data
	}
	return mcp.JSONRPCError{JSONRPC: mcp.JSONRPC_VERSION, Error: details}
}

type firstResultKey struct{}

// firstResult stands in for the first run of a handler that has run already.
type firstResult struct {
	result *mcp.CallToolResult
	taken  bool
}

// resumeFirstResult is the outermost middleware of mcp-go's way.
func resumeFirstResult(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if first, ok := ctx.Value(firstResultKey{}).(*firstResult); ok && !first.taken {
			first.taken = true
			return first.result, nil
		}
		return next(ctx, request)
	}
}
