package load

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sampleReport has all that a page can show, and text that is not to be markup.
func sampleReport() Report {
	r := Report{
		URLs: []string{"http://127.0.0.1:8000/mcp"}, Era: Sessions, Mix: "call=1", Rate: 100, Concurrency: 8, Sessions: 3, Seconds: 4,
		Operations: []OperationReport{
			{Name: "call", Count: 400, P50: 0.5, P99: 2, Curve: []Point{{0, 0.1}, {50, 0.5}, {99, 2}, {100, 3}}},
			{Name: "progress", Count: 4, P50: 2001, P99: 2003, Curve: []Point{{0, 2000}, {50, 2001}, {99, 2003}, {100, 2003}}},
		},
		Total:   OperationReport{Name: "all", Count: 404, Failed: 2, PerSecond: 101, P50: 0.5, P99: 2003},
		Errors:  []ErrorCount{{Kind: "HTTP 502", Count: 2, Example: "<script>console.error('run')</script>"}},
		Process: &ProcessReport{CPUSeconds: 1, AnsweredPerCPU: 404},
	}
	for at := -1.0; at <= 5; at++ {
		r.Series = append(r.Series, Second{At: at, PerSecond: 100 + at, P50: 0.5, P99: 2 * (2 + at)})
	}
	return r
}

func TestPageNeedsNothingElse(t *testing.T) {
	for name, r := range map[string]Report{"full": sampleReport(), "empty": {URLs: []string{"http://127.0.0.1:8000/mcp"}}} {
		var page bytes.Buffer
		if err := r.HTML(&page); err != nil {
			t.Fatal(err)
		}
		for _, foreign := range []string{"<script", "src=", "href=", "url(", "@import", "NaN", "Inf", "ZgotmplZ"} {
			if strings.Contains(page.String(), foreign) {
				t.Errorf("%s: the page has %s", name, foreign)
			}
		}
	}
}

// TestPageInBrowser has a headless Chromium lay the page out.
func TestPageInBrowser(t *testing.T) {
	browser := chromium(t)
	path := filepath.Join(t.TempDir(), "report.html")
	var page bytes.Buffer
	if err := sampleReport().HTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, page.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	dom, messages := visit(t, browser, "file://"+filepath.ToSlash(path))
	if strings.Contains(messages, "CONSOLE") {
		t.Errorf("the browser complains: %s", messages)
	}
	if !strings.Contains(dom, "Not everything went well") || !strings.Contains(dom, "&lt;script&gt;") {
		t.Error("the page does not say what was reported")
	}
	// Throughput: answered, failed, asked for. Latency: two. Distribution: two.
	curves := regexp.MustCompile(`<path class="\w+" d="(M[0-9. ]+(?:L[0-9. ]+)+)">`).FindAllStringSubmatch(dom, -1)
	if want := 2 * (3 + 2 + 2); len(curves) != want {
		t.Errorf("%d curves and their legends, want %d", len(curves), want)
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

// visit returns the page's document once it is loaded, and what the browser had
// to say.
func visit(t *testing.T, browser, url string) (dom, messages string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=1000", "--dump-dom", url)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second // its helpers may keep the pipes open
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, &errs)
	}
	return out.String(), errs.String()
}
