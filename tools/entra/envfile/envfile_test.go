package envfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/tools/entra/envfile"
)

func TestWrite(t *testing.T) {
	values := map[string]string{"ENTRA_TENANT_ID": "t-1", "ENTRA_CLIENT_SECRET": "a~b.c"}
	for name, tt := range map[string]struct{ before, after string }{
		"no file": {"", "ENTRA_CLIENT_SECRET=a~b.c\nENTRA_TENANT_ID=t-1\n"},
		"other lines stay": {
			"# mine\nPRYNAI_MCP_URL=https://x/mcp\n\nENTRA_TENANT_ID=\n# end\n",
			"# mine\nPRYNAI_MCP_URL=https://x/mcp\n\nENTRA_TENANT_ID=t-1\n# end\nENTRA_CLIENT_SECRET=a~b.c\n",
		},
		"no newline at the end":    {"A=b", "A=b\nENTRA_CLIENT_SECRET=a~b.c\nENTRA_TENANT_ID=t-1\n"},
		"export, spaces, comments": {"export ENTRA_TENANT_ID = 'old' # why\nENTRA_CLIENT_SECRET=old\n", "export ENTRA_TENANT_ID =t-1\nENTRA_CLIENT_SECRET=a~b.c\n"},
		"Windows' line endings":    {"A=b\r\nENTRA_TENANT_ID=old\r\n", "A=b\r\nENTRA_TENANT_ID=t-1\r\nENTRA_CLIENT_SECRET=a~b.c\r\n"},
		"set twice":                {"ENTRA_TENANT_ID=a\nENTRA_TENANT_ID=b\n", "ENTRA_TENANT_ID=t-1\nENTRA_TENANT_ID=t-1\nENTRA_CLIENT_SECRET=a~b.c\n"},
		"commented out stays":      {"#ENTRA_TENANT_ID=old\n", "#ENTRA_TENANT_ID=old\nENTRA_CLIENT_SECRET=a~b.c\nENTRA_TENANT_ID=t-1\n"},
		"a name within another":    {"MY_ENTRA_TENANT_ID=x\n", "MY_ENTRA_TENANT_ID=x\nENTRA_CLIENT_SECRET=a~b.c\nENTRA_TENANT_ID=t-1\n"},
		"several lines in a value": {"TLS_CA=\"-----\nabc=\n-----\"\n", "TLS_CA=\"-----\nabc=\n-----\"\nENTRA_CLIENT_SECRET=a~b.c\nENTRA_TENANT_ID=t-1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), ".env")
			if tt.before != "" {
				write(t, path, tt.before)
			}
			file, err := envfile.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := file.Write(values); err != nil {
				t.Fatal(err)
			}
			if got := read(t, path); got != tt.after {
				t.Errorf("got\n%q, want\n%q", got, tt.after)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
				t.Errorf("left behind: %v %v", left, err)
			}
			again, err := envfile.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range values {
				if got := again.Get(name); got != want || file.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// A value whose text spans lines and looks like a variable is nothing to edit.
func TestRefusesWhatItCannotEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	before := "NOTE=\"first\nENTRA_TENANT_ID=hush-hush\nlast\"\n"
	write(t, path, before)
	file, err := envfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	err = file.Write(map[string]string{"ENTRA_TENANT_ID": "t-1"})
	if err == nil || !strings.Contains(err.Error(), "by hand") || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("got %v", err)
	}
	if got := read(t, path); got != before {
		t.Errorf("the file was changed: %q", got)
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	write(t, path, "ENTRA_CLIENT_SECRET='hush-hush\n")
	if _, err := envfile.Read(path); err == nil || strings.Contains(err.Error(), "hush-hush") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "real"), filepath.Join(dir, ".env")
	write(t, target, "A=b\n")
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	file, err := envfile.Read(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Write(map[string]string{"C": "d e"}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, target); got != "A=b\nC='d e'\n" {
		t.Errorf("got %q", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
