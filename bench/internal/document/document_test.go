package document

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/bench/internal/suite"
)

func TestWriteWithoutSamples(t *testing.T) {
	folder := t.TempDir()
	r := &suite.Results{Options: suite.Thorough(), Missing: map[string]string{"TypeScript SDK": "Node.js is not installed"}}
	if err := Write(t.Context(), folder, r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| plain call, to the official go-sdk | ≥ 5 × | - | not measured |", "TypeScript SDK was not measured: Node.js is not installed", "5 rounds"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	var printed strings.Builder
	if err := Print(&printed, r); err != nil || !strings.Contains(printed.String(), "not measured") {
		t.Errorf("%v: %s", err, &printed)
	}
	picture, err := os.Open(filepath.Join(folder, "performance.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = picture.Close() }()
	for decoder := xml.NewDecoder(picture); err == nil; {
		_, err = decoder.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the picture is not XML: %v", err)
	}
}
