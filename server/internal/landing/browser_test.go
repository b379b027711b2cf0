package landing

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestInBrowser shows the page to a headless Chromium: the policy lets its own
// style and script through and nothing complains, the script finds out about
// the server's health, and the copy buttons appear.
func TestInBrowser(t *testing.T) {
	browser := chromium(t)
	for _, tt := range []struct{ health, state, text string }{
		{`{"status":"ok","redis":true}`, "good", "Healthy"},
		{`{"status":"ok","redis":false}`, "warn", "Running, but its Redis does not answer: clients are asked to retry"},
		{`gibberish`, "bad", "The server does not answer"},
	} {
		h, err := New(options)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /{$}", h)
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.health) })
		server := httptest.NewServer(mux)
		dom, messages := visit(t, browser, server.URL)
		server.Close()

		status := regexp.MustCompile(`<p id="status" .*data-state="(\w+)">.*<span id="status-text">(.*)</span>`).FindStringSubmatch(dom)
		if status == nil || status[1] != tt.state || status[2] != tt.text {
			t.Errorf("%s: the page shows %q, want %s: %s", tt.health, status, tt.state, tt.text)
		}
		if strings.Contains(dom, `<button type="button" hidden`) || strings.Count(dom, `<button type="button" data-copy=`) != 5 {
			t.Errorf("%s: the copy buttons did not appear", tt.health)
		}
		for line := range strings.Lines(messages) {
			if strings.Contains(line, "CONSOLE") {
				t.Errorf("%s: the browser complains: %s", tt.health, line)
			}
		}
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const reason = "Chromium is not installed: the page was not tried in a browser"
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

// visit returns the page's document as it is two seconds after it was loaded,
// and what the browser had to say.
func visit(t *testing.T, browser, url string) (dom, messages string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", url)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second // its helpers may keep the pipes open
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, &errs)
	}
	return out.String(), errs.String()
}
