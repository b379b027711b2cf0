package mcphttp

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// listeners are the subscriptions/listen streams of this replica.
type listeners struct {
	mu   sync.Mutex
	open map[*call]*updates
}

// updates are what a listen stream is still to be told. Several updates of one
// resource are one: the client reads the resource to know its state.
type updates struct {
	due  map[string]struct{} // keys made by updateKey
	wake chan struct{}
}

type updateKind string

const (
	resourceUpdate updateKind = "resource "
	listUpdate     updateKind = "list "
)

// add registers a stream; what it answers undoes that.
func (l *listeners) add(c *call) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[*call]*updates{}
	}
	l.open[c] = &updates{due: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, c)
	}
}

// notify marks an update as due for the streams that want it.
func (l *listeners) notify(kind updateKind, name string, wanted func(*peer) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, u := range l.open {
		if !wanted(c.peer) {
			continue
		}
		u.due[string(kind)+name] = struct{}{}
		select {
		case u.wake <- struct{}{}:
		default:
		}
	}
}

// take removes what is due for a stream.
func (l *listeners) take(c *call) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.open[c]
	if u == nil {
		return nil
	}
	due := slices.Sorted(maps.Keys(u.due))
	clear(u.due)
	return due
}

// listened wakes a listen stream's recorder; other calls have none.
func (c *call) listened() <-chan struct{} {
	if !c.listen {
		return nil
	}
	l := &c.handler.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.open[c]; u != nil {
		return u.wake
	}
	return nil
}

// drained ends a listen stream of a replica that shuts down.
func (c *call) drained() <-chan struct{} {
	if !c.listen {
		return nil
	}
	return c.handler.draining
}

// deliverUpdates writes what is due, once the client has its acknowledgement:
// nothing precedes that.
func (rec *recorder) deliverUpdates() {
	if !rec.acked {
		return
	}
	for _, due := range rec.call.handler.listeners.take(rec.call) {
		n := mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION}
		if uri, ok := cutKind(due, resourceUpdate); ok {
			n.Method = mcp.MethodNotificationResourceUpdated
			n.Params.AdditionalFields = map[string]any{"uri": uri}
		} else if method, ok := cutKind(due, listUpdate); ok {
			n.Method = method
		}
		text, err := json.Marshal(tagged(n, rec.call.request))
		if err != nil {
			rec.call.handler.log.Error("update was not encoded", "error", err)
			continue
		}
		rec.write(text)
	}
}

func cutKind(due string, kind updateKind) (string, bool) {
	if len(due) >= len(kind) && due[:len(kind)] == string(kind) {
		return due[len(kind):], true
	}
	return "", false
}

// tagged puts the listen request's id, as the client wrote it, on a message of
// its stream.
func tagged(n mcp.JSONRPCNotification, request json.RawMessage) mcp.JSONRPCNotification {
	meta := maps.Clone(n.Params.Meta)
	if meta == nil {
		meta = map[string]any{}
	}
	meta[mcp.MetaKeySubscriptionID] = request
	n.Params.Meta = meta
	return n
}

// ResourceUpdated is part of [session.Listener].
func (h *Handler) ResourceUpdated(uri string) {
	h.listeners.notify(resourceUpdate, uri, func(p *peer) bool { return p.IsSubscribedToResource(uri) })
}

// ListChanged is part of [session.Listener].
func (h *Handler) ListChanged(method string) {
	h.listeners.notify(listUpdate, method, func(p *peer) bool {
		filter, _ := p.SubscriptionFilter()
		switch method {
		case mcp.MethodNotificationToolsListChanged:
			return filter.ToolsListChanged
		case mcp.MethodNotificationPromptsListChanged:
			return filter.PromptsListChanged
		case mcp.MethodNotificationResourcesListChanged:
			return filter.ResourcesListChanged
		}
		return false
	})
}

// Missed is part of [session.Listener]: updates may have been lost, so each
// stream is told that all it watches may have changed.
func (h *Handler) Missed() {
	for uri := range h.server.ListResources() {
		h.ResourceUpdated(uri)
	}
	for _, method := range []string{
		mcp.MethodNotificationToolsListChanged,
		mcp.MethodNotificationPromptsListChanged,
		mcp.MethodNotificationResourcesListChanged,
	} {
		h.ListChanged(method)
	}
}

// UpdateResource tells the subscribers of a resource, on whichever replica they
// are, also those that are away, that it has changed.
func (h *Handler) UpdateResource(ctx context.Context, uri string) error {
	n := mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION}
	n.Method = mcp.MethodNotificationResourceUpdated
	n.Params.AdditionalFields = map[string]any{"uri": uri}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return h.sessions.ResourceUpdated(ctx, uri, text)
}

// broadcastTap is registered with mcp-go as if it were a client, and hears what
// mcp-go sends to all clients: changes of the lists.
type broadcastTap struct{ heard chan mcp.JSONRPCNotification }

func (t *broadcastTap) Initialize()       {}
func (t *broadcastTap) Initialized() bool { return true }
func (t *broadcastTap) SessionID() string { return "broadcast" }
func (t *broadcastTap) NotificationChannel() chan<- mcp.JSONRPCNotification {
	return t.heard
}

// relayBroadcasts passes what mcp-go says to all of its clients on to all
// replicas, whose clients it does not know.
func (h *Handler) relayBroadcasts() {
	tap := &broadcastTap{heard: make(chan mcp.JSONRPCNotification, 64)}
	if err := h.server.RegisterSession(context.Background(), tap); err != nil {
		h.log.Error("broadcasts are not heard", "error", err)
		return
	}
	h.background.Go(func() {
		for {
			select {
			case n := <-tap.heard:
				h.relay(n)
			case <-h.draining:
				h.server.UnregisterSession(context.Background(), tap.SessionID())
				return
			}
		}
	})
}

func (h *Handler) relay(n mcp.JSONRPCNotification) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.sessions.ListChanged(ctx, n.Method); err != nil {
		h.log.Warn("change of a list was not passed on", "method", n.Method, "error", err)
	}
}
