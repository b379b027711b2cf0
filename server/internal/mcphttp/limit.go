package mcphttp

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// answerLimit ends a stream that cannot be resumed when its time is over.
func (rec *recorder) answerLimit() {
	c := rec.call
	if c.listen {
		body, err := listenResult(c.request)
		if err != nil {
			c.handler.log.Error("listen result was not encoded", "error", err)
			return
		}
		rec.answerInstead(body, http.StatusOK)
		return
	}
	body, err := encodeError(c.request, mcp.JSONRPCErrorDetails{
		Code: mcp.INTERNAL_ERROR,
		Message: fmt.Sprintf("The request was ended: this connection is limited to %s and cannot be resumed in this protocol revision.",
			c.handler.timing.Limit),
	})
	if err != nil {
		c.handler.log.Error("limit reply was not encoded", "error", err)
		return
	}
	rec.answerInstead(body, http.StatusOK)
}

// listenResult completes a subscriptions/listen request.
func listenResult(request json.RawMessage) ([]byte, error) {
	var id any
	if err := json.Unmarshal(request, &id); err != nil {
		return nil, err
	}
	var result mcp.SubscriptionsListenResult
	result.EnsureResultMeta().SetSubscriptionID(id)
	result.ResultType = mcp.ResultTypeComplete
	return encodeResult(request, result)
}
