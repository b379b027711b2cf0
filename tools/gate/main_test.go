package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with one test file.
func module(t *testing.T, test string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":    "module example.com/m\n\ngo 1.26\n",
		"m.go":      "// Package m is a module to test with.\npackage m\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\n" + test,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestModules(t *testing.T) {
	for _, c := range []struct {
		name, test    string
		passed        int
		failed        int
		skipped       string
		wantErr, want string
	}{
		{name: "passes", test: "func TestA(t *testing.T) { t.Run(\"b\", func(*testing.T) {}) }\n", passed: 2},
		{name: "fails", test: "func TestA(t *testing.T) { t.Error(\"the reason\") }\n", failed: 1, wantErr: "1 failed", want: "the reason"},
		{name: "skips", test: "func TestA(t *testing.T) { t.Skip(\"no Redis\") }\nfunc TestB(*testing.T) {}\n", passed: 1, skipped: "no Redis"},
		{name: "only skips", test: "func TestA(t *testing.T) { t.Skip(\"no Redis\") }\n", skipped: "no Redis", wantErr: "no test ran"},
		{name: "does not compile", test: "func TestA(t *testing.T) { nonsense }\n", wantErr: "exit status", want: "undefined: nonsense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := test(context.Background(), module(t, c.test), false, nil, &out)
			if got.passed != c.passed || got.failed != c.failed {
				t.Errorf("%d passed, %d failed; want %d, %d", got.passed, got.failed, c.passed, c.failed)
			}
			if c.wantErr == "" && err != nil || c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)) {
				t.Errorf("error %v, want %q", err, c.wantErr)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("output %q lacks %q", out.String(), c.want)
			}
			if c.skipped != "" && got.skipped["example.com/m TestA"] != c.skipped {
				t.Errorf("skipped %v", got.skipped)
			}
		})
	}
}
