// Package telemetry tells an OpenTelemetry collector what a replica does:
// traces, metrics and logs by OTLP over HTTP.
//
// Without an endpoint there is no [Telemetry]: nil is one that does nothing, and
// costs what a comparison with nil costs. With one, nothing waits for the
// collector. What is to be sent is queued; when the collector is away and a
// queue is full, telemetry is dropped and requests go on. [Telemetry.Close]
// sends what is queued, within a time that fits into a drain.
//
// A tools/call is traced as
//
//	POST /mcp                        the HTTP request
//	├─ session load                  where Redis has to be asked for it
//	│  └─ HGETALL
//	├─ tools/call bump_counter       the operation: session, request, tool
//	│  └─ INCRBY                     what the tool does
//	└─ session append                what is stored for resumption
//	   └─ EVALSHA
//
// by the semantic conventions for HTTP, for databases, and for MCP
// (https://github.com/open-telemetry/semantic-conventions-genai). Names of our
// own begin with prynai.
//
// # Trust boundary
//
// Requests are a stranger's. Metrics have attributes from closed sets alone: a
// method, tool, prompt or path that this server does not have is not repeated,
// and nothing there names a session or a principal. Spans name sessions and ids
// of requests too, cut to a length; never arguments, results, header fields or
// bodies.
//
// A caller may place its request in a trace of its own, by the traceparent of
// the HTTP request or of the MCP request's _meta. Its word on sampling is not
// taken: a stranger must neither make the server record nor keep it from it.
// tracestate and baggage are not read.
//
// The headers that the collector asks for are secrets. What goes wrong with
// telemetry is logged without them, once a minute at most, and not sent to the
// collector.
package telemetry
