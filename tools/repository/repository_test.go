// Package repository has the tests that police the repository: what the README
// and the documents say must be so, and every package must say what it is.
package repository

import (
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the generated parts of the README")

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files lists the repository's files with one of the endings.
func files(t *testing.T, endings ...string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name != ".." && name != ".github" && name != ".ci" && name != ".vscode" && strings.HasPrefix(name, ".") || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) }) {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestGenerated holds the parts of the README that are made from the source.
func TestGenerated(t *testing.T) {
	for marker, source := range map[string]string{
		"variables": "server/internal/config/variables.md",
		"settings":  "infra-pulumi/stack/settings.md",
	} {
		readme := read(t, "README.md")
		begin, end := "<!-- "+marker+" -->\n", "<!-- /"+marker+" -->"
		i, j := strings.Index(readme, begin), strings.Index(readme, end)
		if i < 0 || j < i {
			t.Fatalf("README.md has no %s…%s", begin, end)
		}
		want := readme[:i+len(begin)] + read(t, source) + readme[j:]
		if want == readme {
			continue
		}
		if !*update {
			t.Errorf("README.md differs from %s: go test ./tools/repository -update", source)
			continue
		}
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTasks: every task that a document names exists, and says what it does.
func TestTasks(t *testing.T) {
	var taskfile struct {
		Tasks map[string]struct {
			Desc     string
			Internal bool
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "Taskfile.yml")), &taskfile); err != nil {
		t.Fatal(err)
	}
	for name, task := range taskfile.Tasks {
		if task.Desc == "" && !task.Internal {
			t.Errorf("task %s has no desc", name)
		}
	}
	named := regexp.MustCompile("go tool task ([a-z][a-z-]*)")
	for _, path := range files(t, ".md", ".go", ".yml", "run") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range named.FindAllStringSubmatch(string(text), -1) {
			if _, ok := taskfile.Tasks[match[1]]; !ok {
				t.Errorf("%s names the task %s, which does not exist", path, match[1])
			}
		}
	}
}

// TestPackageComments: every package says what it is.
func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, path := range files(t, ".go") {
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		documented[dir] = documented[dir] || file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// TestLinks: relative links of the documents lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, path := range files(t, ".md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), match[1])); err != nil {
				t.Errorf("%s links to %s: %v", path, match[1], err)
			}
		}
	}
}

// TestLineEndings: a checkout on Windows must build the same image.
func TestLineEndings(t *testing.T) {
	for _, path := range files(t, ".go", ".mod", ".sum", ".md", ".yml", ".html", ".json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\r\n") {
			t.Errorf("%s has CRLF line endings", path)
		}
	}
}
