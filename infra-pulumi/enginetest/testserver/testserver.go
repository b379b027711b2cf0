// Package testserver writes the source of a server that does nothing: what is tested with it is how images are built,
// named, pushed and deployed, and it compiles and links in a fraction of the real one's time.
package testserver

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Write makes the server's module in a folder, which it makes too.
func Write(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	module := "module example.com/server\n\ngo " + strings.TrimPrefix(runtime.Version(), "go") + "\n"
	if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte(module), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600)
}

// Change makes another version of it.
func Change(folder string) error {
	path := filepath.Join(folder, "main.go")
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, "\n// Another version.\n"...), 0o600)
}
