package pulumicli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestMain lets copies of this binary stand for pulumi commands: one with a file
// "version" beside it prints that.
func TestMain(m *testing.M) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	if version, err := os.ReadFile(filepath.Join(filepath.Dir(self), "version")); err == nil {
		fmt.Println(string(version))
		return
	}
	os.Exit(m.Run())
}

// fake puts a pulumi command of that version into a folder.
func fake(t *testing.T, dir, version string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pulumi"+executableSuffix()), content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "version"), []byte(version), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	folder, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := pinnedVersion(filepath.Join(folder, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ onPath, cached, want, log, err string }{
		"none on PATH":           {cached: pinned, want: "cache"},
		"new enough":             {onPath: pinned, cached: pinned, want: "path"},
		"newer":                  {onPath: "v3.999.0", cached: pinned, want: "path"},
		"too old":                {onPath: "v3.100.0", cached: pinned, want: "cache", log: "is not used: Minimum version"},
		"the cached one is none": {cached: "not a version", err: "delete the file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			// One of these is where the user's cache is, on each system.
			for _, variable := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
				t.Setenv(variable, filepath.Join(dir, "cache"))
			}
			cache, err := os.UserCacheDir()
			if err != nil {
				t.Fatal(err)
			}
			fake(t, filepath.Join(cache, "prynai-mcp", "pulumi", pinned+"-"+runtime.Version(), "bin"), test.cached)
			t.Setenv("PATH", filepath.Join(dir, "path"))
			if test.onPath != "" {
				fake(t, filepath.Join(dir, "path"), test.onPath)
			}
			var log bytes.Buffer
			cli, err := Find(t.Context(), &log)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want an error with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(cli.Path, filepath.Join(dir, test.want)) {
				t.Errorf("found %s, want the one in %s", cli.Path, test.want)
			}
			if !strings.Contains(log.String(), test.log) || test.log == "" && log.Len() > 0 {
				t.Errorf("said %q, want %q", log.String(), test.log)
			}
		})
	}
}

func TestAnEndedBuildLeavesNothing(t *testing.T) {
	folder, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	var log bytes.Buffer
	if err := build(ctx, folder, "v3.0.0", filepath.Join(dir, "bin", "pulumi"), &log); err == nil {
		t.Error("a build that was cancelled succeeded")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "bin")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestPinnedVersion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go.mod")
	for content, want := range map[string]string{
		"module m\nrequire " + module + " v3.1.0\n": "",
		"module m\n": "does not require",
		"module":     "go.mod",
	} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		version, err := pinnedVersion(file)
		if want == "" && (err != nil || version != "v3.1.0") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %q, %v, want an error with %q", content, version, err, want)
		}
	}
}
