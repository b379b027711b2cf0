package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// module writes a small server with an embedded file, a package of its own and a test.
func module(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	version, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go"), " ") // the toolchain at hand
	write(t, dir, "go.mod", "module example.com/server\n\ngo "+version+"\n")
	write(t, dir, "main.go", "package main\n\nimport (\n\t_ \"embed\"\n\n\t\"example.com/server/greeting\"\n)\n\n//go:embed page.txt\nvar page string\n\nfunc main() { println(greeting.Text, page) }\n")
	write(t, dir, "page.txt", "a page\n")
	write(t, dir, "greeting/greeting.go", "package greeting\n\nconst Text = \"hello\"\n")
	write(t, dir, "main_windows.go", "package main\n")
	write(t, dir, "main_test.go", "package main\n")
	return dir
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func build(t testing.TB, o Options) *Image {
	t.Helper()
	img, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestSameSourceSameDigest(t *testing.T) {
	one, two := module(t), module(t)
	first := build(t, Options{Module: one})

	// Another folder, in a repository with another commit, another time, and a shell with its own settings.
	git(t, two, "init", "-q")
	git(t, two, "-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "--allow-empty", "-m", rand.Text())
	write(t, two, "README.md", "not part of the server")
	write(t, two, "main_test.go", "package main\n\n// not part of the server either\n")
	write(t, two, "main_windows.go", "package main\n\n// nor is this on Linux\n")
	if err := os.Chtimes(filepath.Join(two, "main.go"), time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-tags=other -mod=mod")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("GOOS", "windows")
	if second := build(t, Options{Module: two}); second.Digest != first.Digest || second.Build != first.Build {
		t.Errorf("%s (build %s) in one folder, %s (build %s) in another", first.Digest, first.Build, second.Digest, second.Build)
	}
}

func TestSameDigestWithColdCache(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library; not with -short")
	}
	dir := module(t)
	warm := build(t, Options{Module: dir})
	t.Setenv("GOCACHE", t.TempDir())
	if cold := build(t, Options{Module: dir}); cold.Digest != warm.Digest {
		t.Errorf("%s with a warm cache, %s with a cold one", warm.Digest, cold.Digest)
	}
}

func TestOtherSourceOtherBuild(t *testing.T) {
	for _, change := range []struct{ file, content string }{
		{"main.go", "package main\n\nfunc main() {}\n"},
		{"greeting/greeting.go", "package greeting\n\nconst Text = \"good day\"\n"},
		{"page.txt", "another page\n"},
	} {
		t.Run(change.file, func(t *testing.T) {
			dir := module(t)
			before := build(t, Options{Module: dir})
			write(t, dir, change.file, change.content)
			if after := build(t, Options{Module: dir}); after.Build == before.Build || after.Digest == before.Digest {
				t.Errorf("still build %s, %s", after.Build, after.Digest)
			}
		})
	}
}

func TestDescription(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	file, err := img.OCI.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != "amd64" || file.Created.Unix() != 0 {
		t.Errorf("%s/%s created %s", file.OS, file.Architecture, file.Created)
	}
	if _, ok := file.Config.ExposedPorts["8000/tcp"]; !ok || len(file.Config.ExposedPorts) != 1 {
		t.Errorf("exposes %v", file.Config.ExposedPorts)
	}
	entrypoint, err := Binary(img.OCI)
	if err != nil {
		t.Fatal(err)
	}
	if entrypoint.Path != "/server" || entrypoint.User != "65532:65532" {
		t.Errorf("starts %s as %s", entrypoint.Path, entrypoint.User)
	}
	if env := strings.Join(entrypoint.Env, " "); env != "LISTEN_ADDR=0.0.0.0:8000 PRYNAI_BUILD="+img.Build {
		t.Errorf("environment %s", env)
	}
	if labels := file.Config.Labels; len(labels) != 2 || labels["org.opencontainers.image.title"] != Repository || labels["org.opencontainers.image.version"] != img.Build {
		t.Errorf("labels %v", labels)
	}
	if !bytes.HasPrefix(entrypoint.Content, []byte("\x7fELF")) {
		t.Errorf("the binary begins %q", entrypoint.Content[:4])
	}
	header := onlyFile(t, img)
	if header.Mode != 0o555 || header.Uid != 0 || header.ModTime.Unix() != 0 {
		t.Errorf("mode %o, owner %d, time %s", header.Mode, header.Uid, header.ModTime)
	}
}

// onlyFile is the one entry of the one layer.
func onlyFile(t *testing.T, img *Image) *tar.Header {
	t.Helper()
	layers, err := img.OCI.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	files := tar.NewReader(content)
	header, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := files.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a second entry %v, %v", other, err)
	}
	return header
}

func TestThisMachinesImageRuns(t *testing.T) {
	img := build(t, Options{Module: module(t), OS: runtime.GOOS, Arch: runtime.GOARCH})
	entrypoint, err := Binary(img.OCI)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "server.exe") // the suffix matters on Windows only
	if err := os.WriteFile(path, entrypoint.Content, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "hello a page") {
		t.Errorf("%s %v", out, err)
	}
	azures := build(t, Options{Module: module(t)})
	if img.Build != azures.Build {
		t.Errorf("build %s here, %s on Azure, of one source", img.Build, azures.Build)
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	broken := module(t)
	write(t, broken, "main.go", "package main\n\nfunc main() { undefined() }\n")
	unnamed := module(t)
	write(t, unnamed, "go.mod", "module example.com/server\n")
	for _, c := range []struct{ name, dir, want string }{
		{"does not compile", broken, "main.go:3:15: undefined: undefined"},
		{"no module", t.TempDir(), "go.mod"},
		{"no version", unnamed, "add a go line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Build(t.Context(), Options{Module: c.dir}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("no such toolchain", func(t *testing.T) {
		dir := module(t)
		write(t, dir, "go.mod", "module example.com/server\n\ngo 1.20\ntoolchain go1.0.99\n")
		t.Setenv("GOPROXY", "off")
		if _, err := Build(t.Context(), Options{Module: dir}); err == nil || !strings.Contains(err.Error(), "built with exactly go1.0.99") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no go command", func(t *testing.T) {
		dir := module(t)
		t.Setenv("PATH", t.TempDir())
		if _, err := Build(t.Context(), Options{Module: dir}); err == nil || !strings.Contains(err.Error(), "install Go") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Build(ctx, Options{Module: module(t)}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestServersImage(t *testing.T) {
	source, err := Source()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	img := build(t, Options{Module: source})
	manifest, err := img.OCI.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	size := manifest.Layers[0].Size
	t.Logf("%s, build %s, %.1f MB, in %s", img.Digest, img.Build, float64(size)/1e6, time.Since(start).Round(time.Millisecond))
	if size > 15e6 {
		t.Errorf("the image has %d bytes compressed; want at most 15 MB", size)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.Command("git", args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}
