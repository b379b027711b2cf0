// Command format lists the Go files that gofmt would change, and fails if there
// are any. With -w it changes them.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	write := flag.Bool("w", false, "change the files")
	flag.Parse()
	changed, err := check(".", *write)
	for _, path := range changed {
		fmt.Println(path)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "format:", err)
		os.Exit(1)
	case len(changed) > 0 && !*write:
		fmt.Fprintln(os.Stderr, "format: run `go tool task format`")
		os.Exit(1)
	}
}

func check(root string, write bool) (changed []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		formatted, err := format.Source(source)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if bytes.Equal(source, formatted) {
			return nil
		}
		changed = append(changed, path)
		if write {
			return os.WriteFile(path, formatted, 0o600)
		}
		return nil
	})
	return changed, err
}
