package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// cloud stands in for the Azure CLI and what it talks to: what was made is found, and what needs a right that is new is
// refused for a while.
type cloud struct {
	made    []string
	refused map[string]time.Time // by the first words of a command, until when
	failing string
}

func (c *cloud) az(_ context.Context, args ...string) (string, error) {
	line := strings.Join(args, " ")
	if strings.Contains(line, "${") {
		return "", fmt.Errorf("not filled in: %s", line)
	}
	for prefix, until := range c.refused {
		if strings.HasPrefix(line, prefix) && time.Now().Before(until) {
			return "", errors.New("Forbidden")
		}
	}
	if c.failing != "" && strings.HasPrefix(line, c.failing) {
		return "", errors.New("it is broken")
	}
	subject := strings.Join(slices.DeleteFunc(slices.Clone(args[:3]), func(word string) bool {
		return slices.Contains([]string{"create", "show", "list", "update"}, word) || strings.HasPrefix(word, "-")
	}), " ")
	for _, flag := range []string{"--name", "--display-name", "--id", "--federated-credential-id"} {
		if i := slices.Index(args, flag); i >= 0 {
			subject += " " + args[i+1]
		}
	}
	answer := strings.ReplaceAll(strings.TrimPrefix(subject, "ad "), " ", "-")
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "update"):
		if slices.Contains(args, "federated-credential") {
			subject += " github-" + strings.TrimSuffix(line[strings.Index(line, ":environment:")+len(":environment:"):], `"}`)
		}
		c.made = append(c.made, subject)
		return answer, nil
	case strings.HasPrefix(line, "account show"), strings.HasPrefix(line, "ad signed-in-user"):
		return answer, nil
	case slices.Contains(c.made, subject):
		return answer, nil
	case slices.Contains(args, "list"):
		return "", nil
	}
	return "", errors.New("not found")
}

func apply(t *testing.T, c *cloud) (string, error) {
	t.Helper()
	var out, log strings.Builder
	err := run(t.Context(), []string{"--repository", "owner/name", "--apply"}, c.az, &out, &log)
	return out.String() + log.String(), err
}

func TestApply(t *testing.T) {
	c := &cloud{}
	out, err := apply(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"gh variable set PULUMI_BACKEND_URL", "azblob://pulumi?storage_account=prynaimcp", "--env preview --body app-prynai-mcp-preview", "--grant app-prynai-mcp-deploy",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	first := len(c.made)
	if out, err = apply(t, c); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out, "there ") < 5 {
		t.Errorf("the second run found too little:\n%s", out)
	}
	for _, made := range c.made[first:] {
		subject := strings.Join(strings.Fields(made)[:1], "")
		if !slices.Contains([]string{"group", "role", "storage"}, subject) { // making those again does no harm
			t.Errorf("made again: %s", made)
		}
	}
}

func TestNewRightsAreAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := &cloud{refused: map[string]time.Time{"keyvault key create": began.Add(2 * time.Minute)}}
		if _, err := apply(t, c); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 2*time.Minute || waited > 3*time.Minute {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestFailureIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := apply(t, &cloud{failing: "keyvault create"})
		if err == nil || !strings.Contains(err.Error(), "a vault for the key") || !strings.Contains(err.Error(), "it is broken") {
			t.Errorf("got %v", err)
		}
		if time.Since(began) > 0 {
			t.Error("waited for what no time mends")
		}
		if _, err := apply(t, &cloud{failing: "storage container"}); err == nil || time.Since(began) < patience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--repository", "name"}, {"--repository", "a/b; rm -rf"}, {"--repository", "a/b", "more"}, {"--repository", "a/b", "--location", "West Europe"}, {"--no"}} {
		var out, log strings.Builder
		if err := run(t.Context(), args, nil, &out, &log); !errors.Is(err, errUsage) || log.Len() == 0 {
			t.Errorf("%v: %v, said %q", args, err, log.String())
		}
	}
}

// What is printed runs in a shell, with an az that answers like Azure.
func TestScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the script is for a POSIX shell")
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("SKIPPED: the printed script is not run: %v", err)
	}
	var script, log strings.Builder
	never := func(context.Context, ...string) (string, error) { panic("printing runs nothing") }
	if err := run(t.Context(), []string{"--repository", "owner/name"}, never, &script, &log); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fake := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$(dirname \"$0\")/calls\"\ncase \"$*\" in account*|*signed-in*|*create*) echo an-answer;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), sh, "-c", script.String())
	command.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "gh variable set AZURE_TENANT_ID --repo owner/name --body an-answer") {
		t.Fatalf("%v\n%s", err, out)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"subject":"repo:owner/name:environment:production"`, "--scope /subscriptions/an-answer", "ActionMatches{'Microsoft.Authorization/roleAssignments/write'}", "--role Key Vault Crypto User"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("no command has %s in\n%s", want, calls)
		}
	}
}
