package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/entra"
	"github.com/prynai/prynai-mcp/smoke/internal/wire"
)

// withoutAuth is the detail of steps that are about tokens when none is used.
const withoutAuth = "none: AUTH_REQUIRED=false"

// open is the way to the server without a token, for what is open to all.
func (s *Suite) open() *wire.Bearer { return &wire.Bearer{Next: s.Transport} }

func (s *Suite) health(ctx context.Context) (string, error) {
	body, err := wire.Get(ctx, s.open(), s.Settings.At("/healthz"))
	if err != nil {
		return "", err
	}
	var h struct {
		Status string `json:"status"`
		Redis  *bool  `json:"redis"`
	}
	if json.Unmarshal(body, &h) != nil || h.Status != "ok" || h.Redis == nil {
		return "", &mismatch{got: "200 with " + excerpt(body),
			cause: "another program answers at this address: check PRYNAI_MCP_URL, and the app's target port (8000)"}
	}
	if !*h.Redis {
		return "", &mismatch{got: "redis:false",
			cause: "the server runs but cannot reach Redis: its REDIS_URL has a wrong host, port, key or scheme (rediss:// for TLS), the key was rotated, " +
				"or Redis is not up yet; the server's log names the cause"}
	}
	return "redis:true", nil
}

func (s *Suite) ready(ctx context.Context) (string, error) {
	_, err := wire.Get(ctx, s.open(), s.Settings.At("/readyz"))
	return "", err
}

func (s *Suite) fetchToken(ctx context.Context) (string, error) {
	if !s.Settings.AuthRequired {
		return withoutAuth, nil
	}
	token, err := entra.Fetch(ctx, s.Settings, s.Transport)
	if err != nil {
		return "", err
	}
	s.token = token
	return fmt.Sprintf("%s, for %s", token.Credential, time.Until(token.Expires).Round(time.Minute)), nil
}

// excerpt shortens foreign text to what a line of a report can hold.
func excerpt(b []byte) string {
	const limit = 120
	text := strings.Join(strings.Fields(string(bytes.ToValidUTF8(b, nil))), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	if text == "" {
		return "an empty body"
	}
	return text
}
