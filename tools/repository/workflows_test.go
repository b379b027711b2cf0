package repository

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type workflow struct {
	On          yaml.Node
	Permissions map[string]string
	Jobs        map[string]struct {
		If          string
		Environment string
		Permissions map[string]string
		Timeout     int `yaml:"timeout-minutes"`
		Env         map[string]string
		Steps       []struct {
			Name, Uses, Run string
			With            map[string]string
		}
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		var w workflow
		if err := yaml.Unmarshal([]byte(read(t, strings.TrimPrefix(path, root))), &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = w
	}
	return all
}

// TestWorkflowsAreSafe holds what actionlint does not know: who may do what.
func TestWorkflowsAreSafe(t *testing.T) {
	// A commit, which nobody can move as one can a tag, and beside it the release that it is of.
	pinned := regexp.MustCompile(`uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+`)
	for name, w := range workflows(t) {
		text := read(t, ".github/workflows/"+name)
		if strings.Contains(text, "pull_request_target") || strings.Contains(text, "secrets.") {
			t.Errorf("%s: strangers' code with rights, or a stored secret", name)
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: permissions are %v, want contents: read, and more where a job needs it", name, w.Permissions)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "uses:") && !pinned.MatchString(line) {
				t.Errorf("%s: pinned to no commit and release: %s", name, line)
			}
		}
		for id, job := range w.Jobs {
			signsIn := job.Permissions["id-token"] == "write"
			if signsIn && (job.Environment == "" || job.If == "") {
				t.Errorf("%s: %s signs in to Azure without a protected environment or a condition", name, id)
			}
			if signsIn && job.Permissions["pull-requests"] == "write" {
				t.Errorf("%s: %s runs the pull request's code and may write to it", name, id)
			}
			if strings.HasPrefix(name, "preview") && signsIn && !strings.Contains(job.If, "head.repo.full_name == github.repository") {
				t.Errorf("%s: %s runs for forks", name, id)
			}
			if job.Timeout == 0 {
				t.Errorf("%s: %s has no time limit", name, id)
			}
			compiled := false
			for _, step := range job.Steps {
				compiled = compiled || strings.HasPrefix(step.Run, "go build ")
				if strings.HasPrefix(step.Uses, "azure/login@") && !compiled {
					t.Errorf("%s: %s signs in before it compiles, which may take longer than GitHub's token is good for", name, id)
				}
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != "false" {
					t.Errorf("%s: %s leaves its token behind", name, id)
				}
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: %s puts an expression into a script", name, id)
				}
			}
		}
	}
}

// TestWorkflowSteps runs the steps that can run here: tasks dry, scripts with stand-ins for pulumi and gh.
func TestWorkflowSteps(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skipf("SKIPPED: the workflows' scripts need bash on a POSIX system: %v", err)
	}
	dir := t.TempDir()
	for tool, script := range map[string]string{
		"pulumi": "echo a-preview",
		"gh":     `while [ $# -gt 0 ]; do if [ "$1" = --body-file ]; then cat "$2"; fi; shift; done`,
	} {
		if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "preview.txt"), []byte("a-preview\n"), 0o600); err != nil { // the job before leaves it
		t.Fatal(err)
	}
	ran := map[string]bool{}
	tools, err := filepath.Abs(filepath.Join(root, "tools"))
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range workflows(t) {
		for id, job := range w.Jobs {
			for _, step := range job.Steps {
				if step.Run == "" || ran[step.Run] {
					continue
				}
				ran[step.Run] = true
				command := exec.CommandContext(t.Context(), bash, "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step.Run)
				command.Dir = dir
				if task, is := strings.CutPrefix(step.Run, "go tool task "); is {
					command = exec.CommandContext(t.Context(), bash, "-e", "-c", "go tool task --taskfile ../Taskfile.yml --dry "+task)
					command.Dir = tools
				}
				if packages, is := strings.CutPrefix(step.Run, "go build "); is { // others compile them
					command = exec.CommandContext(t.Context(), bash, "-e", "-c", "go list "+packages)
					command.Dir = root
				}
				if script, is := strings.CutPrefix(step.Run, "bash .ci/"); is { // read only: the gate runs this test
					command = exec.CommandContext(t.Context(), bash, "-n", "../.ci/"+script)
					command.Dir = tools
				}
				command.Env = append(os.Environ(), "GOWORK=", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"),
					"GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"), "PULL_REQUEST=https://example.com/1", "RESULT=success")
				if out, err := command.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %q: %v\n%s", name, id, step.Run, err, out)
				} else if step.Name == "Comment" && !strings.Contains(string(out), "\n    a-preview\n") {
					t.Errorf("%s: the comment is\n%s", name, out)
				}
			}
		}
	}
}
