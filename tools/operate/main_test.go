package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// world stands in for the commands that are run.
type world struct {
	ran     []string
	failing string
}

func (w *world) run(_ context.Context, out io.Writer, name string, args ...string) error {
	line := name + " " + strings.Join(args, " ")
	w.ran = append(w.ran, line)
	if w.failing != "" && strings.HasPrefix(line, w.failing) {
		return errors.New(w.failing + " failed")
	}
	switch {
	case strings.HasPrefix(line, "pulumi stack output mcpUrl"):
		fmt.Fprintln(out, "https://mcp.example.com/mcp")
	case strings.HasPrefix(line, "pulumi stack output"):
		fmt.Fprintln(out, "the-"+args[2])
	case strings.Contains(line, ".id --output tsv"):
		fmt.Fprintln(out, "/id/of/redis")
	}
	return nil
}

func operate(t *testing.T, w *world, system string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	expiry := func(context.Context, string) (time.Time, error) {
		return time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), nil
	}
	err := operator{system: w.run, expiry: expiry, os: system, out: &out, log: &out}.run(t.Context(), args)
	return out.String(), err
}

func TestCommandsAreShownAndRun(t *testing.T) {
	for _, c := range []struct {
		system string
		args   []string
		want   []string
	}{
		{"linux", []string{"logs"}, []string{"az containerapp logs show --follow --tail 50 --name the-containerApp --resource-group the-resourceGroup"}},
		{"linux", []string{"open"}, []string{"xdg-open https://mcp.example.com/"}},
		{"darwin", []string{"open"}, []string{"open https://mcp.example.com/"}},
		{"windows", []string{"open"}, []string{"rundll32 url.dll,FileProtocolHandler https://mcp.example.com/"}},
		{"linux", []string{"scale", "--stack", "prod", "2", "10"}, []string{"pulumi config set server:minReplicas 2 --stack prod",
			"pulumi config set server:maxReplicas 10 --stack prod", "go run ./infra-pulumi/release deploy --stack prod"}},
		{"linux", []string{"scale", "3"}, []string{"pulumi config set server:minReplicas 3", "go run ./infra-pulumi/release deploy"}},
		{"linux", []string{"status"}, []string{"az containerapp revision list --output table", "--resource /id/of/redis --metric usedmemorypercentage"}},
	} {
		w := &world{}
		out, err := operate(t, w, c.system, c.args...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(w.ran, "\n"), want) {
				t.Errorf("%v ran %q, not %s", c.args, w.ran, want)
			}
			if !strings.Contains(out, want) {
				t.Errorf("%v does not show %s:\n%s", c.args, want, out)
			}
		}
	}
}

func TestStatusTellsAllThatItCan(t *testing.T) {
	out, err := operate(t, &world{failing: "az containerapp"}, "linux", "status")
	if err == nil || !strings.Contains(out, "ends 2027-01-02") || !strings.Contains(out, "usedmemorypercentage") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFailedScaleDoesNotDeploy(t *testing.T) {
	w := &world{failing: "pulumi config"}
	if _, err := operate(t, w, "linux", "scale", "2"); err == nil || len(w.ran) != 1 {
		t.Errorf("%v, ran %q", err, w.ran)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"restart"}, {"logs", "more"}, {"scale"}, {"scale", "0"}, {"scale", "two"}, {"scale", "1", "2", "3"}, {"open", "--no"}} {
		w := &world{}
		if out, err := operate(t, w, "linux", args...); !errors.Is(err, errUsage) || out == "" || len(w.ran) > 0 {
			t.Errorf("%v: %v, said %q, ran %q", args, err, out, w.ran)
		}
	}
}
