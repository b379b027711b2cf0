package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheck(t *testing.T) {
	root := t.TempDir()
	ugly := filepath.Join(root, "ugly.go")
	for path, text := range map[string]string{
		ugly:                              "package p\nvar  a = 1\n",
		filepath.Join(root, "pretty.go"):  "package p\n",
		filepath.Join(root, "readme.txt"): "var  a = 1\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changed, err := check(root, true)
	if err != nil || len(changed) != 1 || changed[0] != ugly {
		t.Fatalf("changed %v, %v; want %s", changed, err, ugly)
	}
	if changed, err = check(root, false); err != nil || len(changed) != 0 {
		t.Fatalf("after writing: changed %v, %v; want none", changed, err)
	}
}
