// Package mcphttp is MCP's Streamable HTTP transport for several replicas
// behind a balancer that is not sticky. mcp-go is the protocol engine: it
// decodes requests, finds tools, validates and answers. Sessions and streams
// are in package session; this package joins the two to HTTP.
//
// A request is a [call]. Its tool runs in a goroutine of its own, while the
// goroutine of the HTTP request records what the tool sends, and writes it to
// the client that asked. When that client leaves, or before the ingress would
// cut it off, recording goes on without it, and the client resumes the stream
// from the store, on this replica or another.
//
// Revisions with sessions (2025-11-25 and older) are in sessionful.go, the
// stateless one (2026-07-28 and later) in stateless.go. The era is decided per
// request.
//
// # Invariants
//
//   - What a tool sends before it returns reaches the stream before its result,
//     in order; if it cannot be stored, the tool is told by an error with its
//     next message, or else its client in place of the result.
//   - A tool that its caller may not use is not shown to it, and nothing of a
//     request that calls it is begun: see [Access].
//   - A reply is plain JSON unless something was sent before it.
//   - An error that a client sees names what the client can do. Causes go to
//     the log.
//
// # Trust boundary
//
// Everything in a request is a stranger's, behind a principal that package auth
// has established. A session of another principal is answered as an unknown
// one.
package mcphttp
