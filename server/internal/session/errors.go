package session

import "errors"

// What callers tell apart. Errors of Redis itself pass through wrapped; the
// redis package knows them.
var (
	// ErrNotFound: there is no such session, or it has ended.
	ErrNotFound = errors.New("session not found")
	// ErrTooManySessions: the principal has as many sessions as it may.
	ErrTooManySessions = errors.New("too many sessions of this principal")
	// ErrTooManyStreams: the session has as many unfinished streams as it may.
	ErrTooManyStreams = errors.New("too many unfinished streams in this session")
	// ErrTooManySubscriptions: the session has as many subscriptions as it may.
	ErrTooManySubscriptions = errors.New("too many subscriptions in this session")
	// ErrStreamFull: the stream holds as many events as it may; only its
	// terminal entry still fits.
	ErrStreamFull = errors.New("too many events on this stream")
	// ErrEventTooLarge: the event is larger than Limits.EventBytes.
	ErrEventTooLarge = errors.New("event too large")
	// ErrStreamClosed: the stream already has its terminal entry.
	ErrStreamClosed = errors.New("stream is closed")
	// ErrNoQuestion: nobody waits for this answer, or it was answered before.
	ErrNoQuestion = errors.New("no such pending request")
	// ErrUnanswered: the client did not answer within the question's lifetime.
	ErrUnanswered = errors.New("the client did not answer in time")
	// ErrBadCursor: the cursor has not the form of an event id.
	ErrBadCursor = errors.New("malformed event id")
	// ErrCursorLost: the cursor's stream or the events after it are not kept
	// any more, so it cannot be resumed without a gap.
	ErrCursorLost = errors.New("the events after this cursor are not kept any more")
	// ErrFinished: the cursor is the last entry of a finished stream.
	ErrFinished = errors.New("stream is finished and was read to its end")
)
