// Package session keeps what a replica must not keep to itself: sessions, the
// streams of their calls, the answers of their clients. All of it is in Redis,
// so any replica can go on where another left off.
//
// # Invariants
//
//   - No replica owns a session. The replica that runs a call owns that call's
//     stream until the stream's one terminal entry, which a script decides: it
//     is the result, or, when the replica is lost, an error written by whoever
//     waits for it. A replica that comes back too late is told so.
//   - Writing, lifetime and the wake-up of readers are one atomic step. A
//     script that writes first checks that the session's record exists, so
//     nothing that is written after DELETE or expiry revives a key.
//   - An event's number is handed out only after Redis has acknowledged the
//     event. A call's events are numbered by their one producer from 1, without
//     gaps, which makes a repeated write harmless.
//   - Messages on the bus are hints. Whoever waits for something also looks for
//     it in Redis every [rereadEvery].
//   - A record in the local cache is used only while the bus is known to be
//     heard, see [Store.Load], and none from before a gap in hearing it. Beats
//     and invalidations enter a cluster at one node, which keeps their order.
//
// # Keys
//
// Every key is written by this package alone, and all but the counter have a
// lifetime. {S} is the session's id as hash tag, so a session lives in one slot.
//
//	mcp:{S}               hash    the record: see record.go     idle time
//	mcp:{S}:out           stream  events that belong to no call idle time
//	mcp:{S}:gets          zset    open GET streams, by opening  idle time
//	mcp:{S}:s:N           stream  events of the call stream N   streamKept
//	mcp:{S}:open          zset    unfinished call streams       idle time
//	mcp:{S}:done          zset    finished call streams         idle time
//	mcp:{S}:q:R           string  a question to the client      the question's own
//	mcp:principal:{P}     zset    sessions of a principal       idle time
//	mcp:subscribers:{U}   zset    sessions subscribed to a URI  idle time
//	{mcp:bus}:presence    zset    last sign of each replica     presenceKept
//	mcp:secret            string  key that seals request state  secretKept
//
// Channels: mcp:bus reaches every replica, mcp:replica:R one, and mcp:{S}:wake
// those that tail a stream of the session.
//
// # Trust boundary
//
// Session ids, stream ids, cursors and ids of answers come from strangers. They
// are checked for form before they become part of a key, and each is looked up
// under the session, which is bound to its principal by the caller.
package session
