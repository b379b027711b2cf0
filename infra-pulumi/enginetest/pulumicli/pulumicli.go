// Package pulumicli finds a pulumi command to run: the one on PATH if it is new
// enough, else the one built earlier and kept in the user's cache folder, else it
// builds it there from the module tools/pulumi, which pins its version.
//
// Nothing is put on PATH, and nothing but the Go toolchain is needed.
package pulumicli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"golang.org/x/mod/modfile"
)

const (
	module  = "github.com/pulumi/pulumi/pkg/v3"
	command = module + "/cmd/pulumi"
	// The SDK's version is what the CLI calls its own.
	versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
)

// CLI is a pulumi command that is known to run.
type CLI struct {
	Path    string
	Command auto.PulumiCommand // for the Automation API
}

// Find returns a CLI, building one if it must, which takes minutes; log is told.
// It is called from within the repository, whose tools/pulumi says the version.
func Find(ctx context.Context, log io.Writer) (*CLI, error) {
	folder, err := toolsFolder()
	if err != nil {
		return nil, err
	}
	pinned, err := pinnedVersion(filepath.Join(folder, "go.mod"))
	if err != nil {
		return nil, err
	}
	oldest, err := semver.ParseTolerant(pinned)
	if err != nil {
		return nil, fmt.Errorf("the pinned version of the Pulumi CLI: %w", err)
	}
	if path, err := exec.LookPath("pulumi"); err == nil {
		cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Version: oldest})
		if err == nil {
			return &CLI{Path: path, Command: cli}, nil
		}
		say(log, "%s is not used: %v", path, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	// Another Go toolchain makes another binary: neither replaces the other.
	root := filepath.Join(cache, "prynai-mcp", "pulumi", pinned+"-"+runtime.Version())
	binary := filepath.Join(root, "bin", "pulumi"+executableSuffix())
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) {
		if err := build(ctx, folder, pinned, binary, log); err != nil {
			return nil, fmt.Errorf("build the Pulumi CLI %s: %w", pinned, err)
		}
	} else if err != nil {
		return nil, err
	}
	cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Version: oldest, Root: root})
	if err != nil {
		return nil, fmt.Errorf("%s: %w; delete the file to have it built again", binary, err)
	}
	return &CLI{Path: binary, Command: cli}, nil
}

// build compiles the CLI beside its place and then moves it there: whoever finds
// the file finds it whole, and two builds at once do no harm.
func build(ctx context.Context, folder, version, binary string, log io.Writer) error {
	say(log, "building the Pulumi CLI %s once, into %s (3 to 5 minutes on two cores)", version, binary)
	start := time.Now()
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(binary), "building-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	built := filepath.Join(unfinished, filepath.Base(binary))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X "+versionVariable+"="+version, "-o", built, command)
	cmd.Dir = folder
	// The module stands outside the workspace, and needs no C compiler.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return err
	}
	if err := os.Rename(built, binary); err != nil {
		// Windows refuses to replace a file that runs: then another build was first.
		if _, there := os.Stat(binary); there != nil {
			return err
		}
	}
	say(log, "built the Pulumi CLI in %s", time.Since(start).Round(time.Second))
	return nil
}

// toolsFolder finds tools/pulumi from anywhere within the repository.
func toolsFolder() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		folder := filepath.Join(dir, "tools", "pulumi")
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no tools/pulumi/go.mod above %s: run this within the repository", start)
		}
	}
}

// pinnedVersion reads the CLI's version from its go.mod.
func pinnedVersion(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	mod, err := modfile.Parse(file, b, nil)
	if err != nil {
		return "", err
	}
	for _, r := range mod.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", file, module)
}

func executableSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// say writes a line of progress; what cannot be said stops no build.
func say(w io.Writer, format string, a ...any) {
	_, _ = fmt.Fprintln(w, strings.TrimSpace(fmt.Sprintf(format, a...)))
}
