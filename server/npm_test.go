package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gate skips a test that needs the npm registry, unless the variable asks for
// it.
func gate(t testing.TB, variable string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("not run: %s=1 runs this test, which needs Node.js and installs npm packages into the user's cache", variable)
	}
}

// missing skips a test for want of a program; in CI it fails.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip("not run: " + what)
}

// node is the path of a Node.js of version 22 or newer: the machine's, or one
// that npm installs.
func node(t testing.TB) string {
	t.Helper()
	const oldest, version = 22, "22.23.2"
	if path, err := exec.LookPath("node"); err == nil {
		var major int
		printed, err := exec.CommandContext(t.Context(), path, "--version").Output()
		if err != nil {
			t.Fatalf("node --version: %v", err)
		}
		if _, err := fmt.Sscanf(string(printed), "v%d.", &major); err == nil && major >= oldest {
			return path
		}
	}
	bin := filepath.Join(npmInstall(t, "node", "node", version), "node_modules", "node", "bin")
	for _, name := range []string{"node.exe", "node"} {
		if path := filepath.Join(bin, name); isFile(path) {
			return path
		}
	}
	t.Fatalf("npm's package node has no program in %s", bin)
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// npmInstall installs one version of a package into the user's cache, if it is
// not there yet, and returns the folder that has its node_modules.
func npmInstall(t testing.TB, folder, name, version string) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, "npm is not installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(cache, "prynai-mcp", folder)
	installed := filepath.Join(parent, version)
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	// Only a whole installation gets the name that is looked for.
	partial, err := os.MkdirTemp(parent, "installing-*")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	manifest, err := json.Marshal(map[string]any{
		"private":      true,
		"dependencies": map[string]string{name: version},
		"allowScripts": map[string]bool{"node": true}, // the package node fetches the platform's program by a script
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(partial, "package.json"), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("npm installs %s@%s into %s", name, version, installed)
	install := exec.CommandContext(t.Context(), npm, "install", "--no-audit", "--no-fund", "--no-package-lock")
	install.Dir = partial
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, strings.TrimSpace(string(output)))
	}
	if err := os.Rename(partial, installed); err != nil && !isFile(filepath.Join(installed, "package.json")) {
		t.Fatal(err) // and it is not that another test was faster
	}
	return installed
}
