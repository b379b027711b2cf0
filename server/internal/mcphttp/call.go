package mcphttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/session"
)

// Why a call ends before its tool returns.
var (
	errCancelled = errors.New("the client took the request back")
	errEnded     = errors.New("the session has ended")
	errLost      = errors.New("the replica shuts down")
	errLeft      = errors.New("the client closed the stream")
	errLimit     = errors.New("the stream's time is over")
	errUnstored  = errors.New("what the call sent could not be stored")
)

// call is a running request. Its tool runs in one goroutine, and another, the
// one of the HTTP request at first, records and writes what the tool sends.
type call struct {
	handler *Handler
	ctx     context.Context // ends with the call, not with the client
	cancel  context.CancelCauseFunc
	peer    *peer
	request json.RawMessage // the request's id, verbatim; of a batch the array of them
	listen  bool            // a subscriptions/listen stream

	// stream records what is sent, for resumption; nil in the stateless era.
	stream *session.Stream
	reply  chan reply
	asks   chan ask

	mu            sync.Mutex
	notifications chan mcp.JSONRPCNotification // made when first wanted
	promised      int                          // places in notifications that are taken or given away
	closed        bool                         // nothing can be sent any more
	told          bool                         // and the tool has been told so
	wanted        chan struct{}                // notifications was made
	room          chan struct{}                // notifications has room again
}

// reply is the response of a call.
type reply struct {
	body   []byte
	status int // of a plain JSON answer
	err    error
}

// ask is a request to the client that is to be sent.
type ask struct {
	question *session.Question
	request  []byte
	sent     chan error
}

const (
	notificationBuffer = 64
	// encodedBatch bounds what is stored in one step.
	encodedBatch = 64
)

func (h *Handler) newCall(ctx context.Context, p *peer, request json.RawMessage) *call {
	c := &call{
		handler: h,
		peer:    p,
		request: request,
		reply:   make(chan reply, 1),
		asks:    make(chan ask),
		wanted:  make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	p.call = c
	return c
}

// channel is where mcp-go puts one notification, at once or never. It waits
// until there is a place for it.
func (c *call) channel() chan<- mcp.JSONRPCNotification {
	for {
		c.mu.Lock()
		if c.closed {
			c.told = true
			c.mu.Unlock()
			c.signalRoom() // to whoever else waits
			return nil
		}
		if c.notifications == nil {
			c.notifications = make(chan mcp.JSONRPCNotification, notificationBuffer)
			c.wanted <- struct{}{}
		}
		full := c.promised == cap(c.notifications)
		if !full {
			c.promised++
		}
		channel := c.notifications
		c.mu.Unlock()
		if !full {
			return channel
		}
		select {
		case <-c.room:
		case <-c.ctx.Done():
			return nil
		}
	}
}

// refuseMore makes whatever the tool sends from now on an error to the tool.
func (c *call) refuseMore() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signalRoom()
}

// freeRoom gives back the places of notifications that were taken out.
func (c *call) freeRoom(places int) {
	c.mu.Lock()
	c.promised -= places
	c.mu.Unlock()
	c.signalRoom()
}

// knowsLoss reports whether the tool was told that it cannot send any more.
func (c *call) knowsLoss() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told
}

func (c *call) signalRoom() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// ask sends a request to the client, after all that was sent before it.
func (c *call) ask(ctx context.Context, question *session.Question, request []byte) error {
	a := ask{question: question, request: request, sent: make(chan error, 1)}
	select {
	case c.asks <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-a.sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// calls are the running calls of this replica, by session and request.
type calls struct {
	running sync.Map // callKey -> *call
	count   atomic.Int64
	tools   atomic.Int64 // some outlive their calls
}

type callKey struct{ session, request string }

func (c *call) key() callKey { return callKey{c.peer.id, string(c.request)} }

func (cs *calls) add(c *call) {
	cs.count.Add(1)
	cs.running.Store(c.key(), c)
}

func (cs *calls) remove(c *call) {
	c.handler.quota.give(c.peer.record.Principal)
	cs.running.CompareAndDelete(c.key(), c)
	c.cancel(context.Canceled)
	cs.count.Add(-1)
}

// cancel reports whether the request was running here.
func (cs *calls) cancel(sessionID string, request json.RawMessage, cause error) bool {
	v, ok := cs.running.Load(callKey{sessionID, string(request)})
	if ok {
		v.(*call).cancel(cause)
	}
	return ok
}

func (cs *calls) cancelSession(id string) {
	cs.running.Range(func(key, v any) bool {
		if key.(callKey).session == id {
			v.(*call).cancel(errEnded)
		}
		return true
	})
}

func (cs *calls) cancelAll(cause error) {
	cs.running.Range(func(_, v any) bool {
		v.(*call).cancel(cause)
		return true
	})
}

// wait returns when no call and no tool is running, or ctx ends.
func (cs *calls) wait(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for cs.count.Load()+cs.tools.Load() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// serve runs a request and answers it. It returns when the HTTP request is
// over, which may be before the call is.
func (c *call) serve(w http.ResponseWriter, r *http.Request, dispatch func(context.Context) reply) {
	if err := c.handler.quota.take(c.peer.record.Principal); err != nil {
		c.handler.fail(w, r, c.request, err)
		return
	}
	c.handler.calls.add(c)
	c.handler.calls.tools.Add(1)
	go func() {
		defer c.handler.calls.tools.Add(-1)
		c.reply <- c.handler.guarded(c.ctx, dispatch)
	}()
	rec := &recorder{call: c, w: w, r: r, started: time.Now()}
	if !rec.run() {
		c.handler.calls.remove(c)
		return
	}
	// The client has left, or is to come back: record on without it.
	go func() {
		defer c.handler.calls.remove(c)
		rec.run()
	}()
}

// guarded turns a panic into an error: it must not take the replica with it.
func (h *Handler) guarded(ctx context.Context, dispatch func(context.Context) reply) (r reply) {
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error("panic in a call", "cause", cause, "stack", string(debug.Stack()))
			r = reply{err: fmt.Errorf("panic: %v", cause)}
		}
	}()
	return dispatch(ctx)
}
