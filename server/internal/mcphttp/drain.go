package mcphttp

import (
	"context"
	"time"
)

// EndStreams has the streams end that only wait for events, over the next
// second: their clients move on to another replica and miss nothing.
func (h *Handler) EndStreams() {
	h.drainOnce.Do(func() { close(h.draining) })
}

// Finish returns when the running calls have. Those that are still running when
// ctx ends are answered with an error that says so. It implies EndStreams.
func (h *Handler) Finish(ctx context.Context) {
	h.EndStreams()
	defer h.background.Wait()
	if h.calls.wait(ctx) == nil {
		return
	}
	h.log.Warn("calls are lost to the shutdown", "calls", h.calls.count.Load())
	h.calls.cancelAll(errLost)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := h.calls.wait(last); err != nil {
		h.log.Error("calls did not end", "calls", h.calls.count.Load())
	}
}
