package image

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/sumdb/dirhash"
)

// goCommand runs the go command in the server's module with everything pinned that may change its output.
type goCommand struct {
	module  string
	version string // go1.26.8
}

// toolchain is the go command of exactly the version that the server's go.mod names.
func toolchain(o Options) (*goCommand, error) {
	module, err := filepath.Abs(o.Module)
	if err != nil {
		return nil, fmt.Errorf("read the server's module: %w", err)
	}
	path := filepath.Join(module, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the server's module: %w", err)
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		return nil, fmt.Errorf("read the server's module: %w", err)
	}
	switch {
	case file.Toolchain != nil:
		return &goCommand{module, file.Toolchain.Name}, nil
	case file.Go != nil:
		return &goCommand{module, "go" + file.Go.Version}, nil
	}
	return nil, fmt.Errorf("%s names no Go version: add a go line, so that every machine builds the same image", path)
}

// compile answers the server's binary.
func (g *goCommand) compile(ctx context.Context, o Options) (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "prynai-image-*")
	if err != nil {
		return nil, fmt.Errorf("compile the server: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, binaryPath)
	if _, err := g.run(ctx, o.OS, o.Arch, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", binary, "."); err != nil {
		return nil, fmt.Errorf("compile the server: %w", err)
	}
	return os.ReadFile(binary)
}

// sourceHash is a short hash of what the server is made of: the files of its own packages, embedded ones too, and
// the versions of its dependencies. It is that of Azure's platform whatever is built, so that one source has one name.
func (g *goCommand) sourceHash(ctx context.Context) (string, error) {
	files, err := g.sourceFiles(ctx)
	if err != nil {
		return "", fmt.Errorf("hash the server's source: %w", err)
	}
	sum, err := dirhash.Hash1(files, func(name string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(g.module, filepath.FromSlash(name)))
	})
	if err != nil {
		return "", fmt.Errorf("hash the server's source: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	if err != nil {
		return "", fmt.Errorf("hash the server's source: %w", err)
	}
	return hex.EncodeToString(raw[:6]), nil
}

// sourceFiles are paths relative to the module, with slashes.
func (g *goCommand) sourceFiles(ctx context.Context) ([]string, error) {
	const fields = "-json=Dir,Module,GoFiles,HFiles,SFiles,SysoFiles,EmbedFiles"
	out, err := g.run(ctx, "linux", "amd64", "list", "-deps", fields, ".")
	if err != nil {
		return nil, err
	}
	files := []string{"go.mod"}
	if exists(filepath.Join(g.module, "go.sum")) {
		files = append(files, "go.sum")
	}
	for packages := json.NewDecoder(bytes.NewReader(out)); packages.More(); {
		var pkg struct {
			Dir                                            string
			Module                                         *struct{ Main bool }
			GoFiles, HFiles, SFiles, SysoFiles, EmbedFiles []string
		}
		if err := packages.Decode(&pkg); err != nil {
			return nil, err
		}
		if pkg.Module == nil || !pkg.Module.Main {
			continue
		}
		for _, name := range slices.Concat(pkg.GoFiles, pkg.HFiles, pkg.SFiles, pkg.SysoFiles, pkg.EmbedFiles) {
			relative, err := filepath.Rel(g.module, filepath.Join(pkg.Dir, name))
			if err != nil {
				return nil, err
			}
			if !filepath.IsLocal(relative) {
				// Its name would say where on this machine it is, and the hash with it.
				return nil, fmt.Errorf("%s is not within %s", filepath.Join(pkg.Dir, name), g.module)
			}
			files = append(files, filepath.ToSlash(relative))
		}
	}
	return files, nil
}

// run answers the command's output; what it says of an error becomes the error.
func (g *goCommand) run(ctx context.Context, goos, goarch string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = g.module
	command.Env = append(os.Environ(),
		"PWD="+g.module,
		"GOTOOLCHAIN="+g.version,
		"GOOS="+goos, "GOARCH="+goarch, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GOFIPS140=off", "GOEXPERIMENT=", "GOWORK=off",
		// Not empty: the go command would then take what `go env -w` has stored.
		"GOFLAGS=-mod=readonly",
	)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the go command is not in PATH; install Go from https://go.dev/dl and try again")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && strings.Contains(stderr.String(), "download "+g.version):
		return nil, fmt.Errorf("the server's image is built with exactly %s, which is neither installed nor could be downloaded; install it from https://go.dev/dl, or check GOPROXY\n%s",
			g.version, strings.TrimSpace(stderr.String()))
	case err != nil:
		return nil, fmt.Errorf("go %s in %s with %s: %w\n%s", args[0], g.module, g.version, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
