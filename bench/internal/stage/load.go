package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/peer"
)

// Load is what smoke load is to do.
type Load struct {
	Era         string // sessions or stateless
	Mix         string
	Rate        float64 // 0: the closed model
	Concurrency int
	Sessions    int
	Streams     int
	Warmup      time.Duration
	Duration    time.Duration
}

// Sample is what came of a load. Latencies are in milliseconds.
type Sample struct {
	PerCPUSecond   float64
	PerSecond      float64
	P50, P99       float64
	ResidentBefore int64 // bytes
	ResidentAfter  int64 // bytes, sessions and streams still open
}

// Put puts a load on the subject. An answer that is wrong makes an error: there
// is nothing to compare then.
func (subject *Subject) Put(ctx context.Context, l Load) (Sample, error) {
	s := subject.stage
	args := []string{"load", "--json", "--quiet", "--era", l.Era, "--mix", l.Mix,
		"--rate", strconv.FormatFloat(l.Rate, 'g', -1, 64), "--concurrency", strconv.Itoa(l.Concurrency),
		"--sessions", strconv.Itoa(l.Sessions), "--streams", strconv.Itoa(l.Streams),
		"--warmup", l.Warmup.String(), "--duration", l.Duration.String()}
	for i, url := range subject.URLs {
		args = append(args, "--url", url, "--pid", strconv.Itoa(subject.processes[i].cmd.Process.Pid))
	}
	if subject.losesEvents() {
		args = append(args, "--progress-tool", "long_task", "--progress-arguments", `{"steps":10}`)
	}
	if subject.takesTokens() {
		args = append(args, "--token-file", s.tokens())
	}
	cmd := exec.CommandContext(ctx, s.program("smoke"), args...)
	cmd.Env = essentials()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var report struct {
		Errors []struct {
			Kind, Example string
			Count         int
		}
		Unsent int
		Total  struct {
			Count     int
			PerSecond float64
			P50, P99  float64
		}
		Process struct {
			AnsweredPerCPUSecond float64
			ResidentBefore       int64
			ResidentAfter        int64
		}
	}
	if wrong := json.Unmarshal(stdout.Bytes(), &report); wrong != nil || len(report.Errors) > 0 || report.Total.Count == 0 {
		return Sample{}, fmt.Errorf("the load of %s went wrong: %w %+v %s", subject.Name, err, report.Errors, stderr.Bytes())
	}
	if report.Unsent*100 > report.Total.Count { // fewer are a hiccup of the machine at the very end
		return Sample{}, fmt.Errorf("%s does not reach %g a second: %d were never sent", subject.Name, l.Rate, report.Unsent)
	}
	return Sample{
		PerCPUSecond: report.Process.AnsweredPerCPUSecond, PerSecond: report.Total.PerSecond,
		P50: report.Total.P50, P99: report.Total.P99,
		ResidentBefore: report.Process.ResidentBefore, ResidentAfter: report.Process.ResidentAfter,
	}, nil
}

// losesEvents: mcp-go's own HTTP server drops the last report of most calls, so
// that the check must not be for all ten.
func (subject *Subject) losesEvents() bool { return Program(subject.Name) == peer.MCPGo }

// takesTokens: the server needs them, and the floor gets the same requests.
func (subject *Subject) takesTokens() bool {
	return subject.Name == Server || subject.Name == Replicas || Program(subject.Name) == peer.Floor
}
