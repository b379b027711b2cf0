package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// openSession opens the session that most steps share. It has no GET stream:
// a notification that reaches it can only have come on the stream of a call.
func (s *Suite) openSession(ctx context.Context) (string, error) {
	c, err := s.connect(ctx, context.WithoutCancel(ctx), sessionEra)
	if err != nil {
		return "", err
	}
	s.plain, s.build = c, c.info.ServerInfo.Version
	if c.GetSessionId() == "" {
		return "", &mismatch{expected: "an Mcp-Session-Id header in the answer to initialize", got: "none"}
	}
	// Servers may keep quiet below a level of their own choice.
	level := mcp.SetLevelRequest{}
	level.Params.Level = mcp.LoggingLevelInfo
	if err := c.SetLevel(ctx, level); err != nil { //nolint:staticcheck // deprecated with this era, which is the one to prove
		return "", fmt.Errorf("logging/setLevel: %w", err)
	}
	return c.info.ServerInfo.Name, nil
}

func (s *Suite) checkBuild(context.Context) (string, error) {
	return s.build, s.expectBuild(s.build)
}

func (s *Suite) expectBuild(version string) error {
	if s.ExpectBuild == "" || version == s.ExpectBuild {
		return nil
	}
	return &mismatch{
		expected: "build " + s.ExpectBuild, got: fmt.Sprintf("build %q", version),
		cause: "another revision answers: traffic has not moved yet, or the address is another revision's"}
}

// subscription uses a session of its own, with a GET stream, and changes the
// counter from the shared one: an update has to cross from one to the other.
func (s *Suite) subscription(ctx context.Context) (string, error) {
	listening := transport.WithContinuousListening() //nolint:staticcheck // deprecated with this era, which is the one to prove
	c, err := s.connect(ctx, ctx, sessionEra, listening)
	if err != nil {
		return "", err
	}
	defer c.end(ctx)
	if err := s.expectBuild(c.info.ServerInfo.Version); err != nil {
		return "", err
	}
	request := mcp.SubscribeRequest{}
	request.Params.URI = counterURI
	if err := c.Subscribe(ctx, request); err != nil { //nolint:staticcheck // as above
		return "", fmt.Errorf("resources/subscribe: %w", err)
	}
	if _, err := s.bump(ctx); err != nil {
		return "", err
	}
	err = c.inbox.await(ctx, func(n notification) bool {
		return n.Method == mcp.MethodNotificationResourceUpdated && n.Params.AdditionalFields["uri"] == counterURI
	})
	if err != nil {
		return "", fmt.Errorf("bump_counter answered, the update did not arrive: %w", err)
	}
	return "", nil
}

// endSession sends the DELETE itself, because the library's own tells nothing
// about the answer.
func (s *Suite) endSession(ctx context.Context) (string, error) {
	id := s.plain.GetSessionId()
	if err := s.raw(ctx, id, http.MethodDelete, nil); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
	if err != nil {
		return "", err
	}
	err = s.raw(ctx, id, http.MethodPost, list)
	var refusal *wire.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusNotFound:
		s.plain = nil // there is nothing left to end
		return "", nil
	case err == nil:
		return "", &mismatch{got: "an answer to tools/list in the ended session",
			cause: "the server accepted the DELETE and kept the session, or another replica did not learn of its end"}
	default:
		return "", err
	}
}

func (s *Suite) raw(ctx context.Context, session, method string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, s.Settings.Endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Mcp-Session-Id", session)
	req.Header.Set("Mcp-Protocol-Version", sessionEra)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := (&http.Client{Transport: s.bearer()}).Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// stateless repeats the essentials in the protocol's newer era, where each
// request stands alone.
func (s *Suite) stateless(ctx context.Context) (string, error) {
	c, err := s.connect(ctx, ctx, statelessEra)
	if err != nil {
		return "", err
	}
	defer c.end(ctx)
	if err := s.expectBuild(c.info.ServerInfo.Version); err != nil {
		return "", err
	}
	if id := c.GetSessionId(); id != "" {
		return "", &mismatch{expected: "no session", got: "an Mcp-Session-Id"}
	}
	sum, err := addSevenAndEight(ctx, c)
	if err != nil {
		return "", err
	}
	if sum != 15 {
		return "", &mismatch{expected: "add(7, 8) = 15", got: fmt.Sprint(sum)}
	}
	if err := c.readStatus(ctx); err != nil {
		return "", err
	}
	return "", c.summarize(ctx)
}
