package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/stage"
)

// facts are what is not a ratio of loads. One that could not be found out says
// why.
type facts struct {
	idleStream    fact // bytes each
	start         fact // milliseconds
	image         fact // megabytes
	redisCommands fact // of a thousand plain calls
	allocations   fact // of a plain call, as a ratio to mcp-go's
}

type fact struct {
	value   float64
	note    string // what belongs to the value
	missing string
}

func (f *facts) find(ctx context.Context, s *stage.Stage, o Options) error {
	o.Log("%d idle streams", o.Idle)
	if err := f.findIdleStreams(ctx, s, o); err != nil {
		return err
	}
	o.Log("start time")
	if err := f.findStart(ctx, s, o); err != nil {
		return err
	}
	o.Log("Redis commands, allocations, image: the tests that measure them")
	f.redisCommands = fromTest(ctx, filepath.Join(s.Root, "server"), "TestPlainCallsLeaveRedisAlone", `ATTR\s+\S+ redis-commands ([0-9.]+)`)
	f.allocations = fromTest(ctx, filepath.Join(s.Root, "server"), "TestPlainCallAllocations", `ATTR\s+\S+ allocations-ratio ([0-9.]+)`)
	f.image = fromTest(ctx, s.Root, "TestServersImage", ` ([0-9.]+) MB`, "./infra-pulumi/image")
	return ctx.Err()
}

// findIdleStreams counts all that a client who only listens costs: connection,
// session and stream.
func (f *facts) findIdleStreams(ctx context.Context, s *stage.Stage, o Options) error {
	subject, err := s.Start(ctx, stage.Server)
	if err != nil {
		return err
	}
	defer subject.Stop()
	sample, err := subject.Put(ctx, stage.Load{Era: sessions, Mix: "call", Rate: 1, Concurrency: 1,
		Sessions: o.Idle, Streams: o.Idle, Duration: o.Duration})
	f.idleStream = fact{value: float64(sample.ResidentAfter-sample.ResidentBefore) / float64(o.Idle), note: fmt.Sprintf("at %d", o.Idle)}
	return err
}

func (f *facts) findStart(ctx context.Context, s *stage.Stage, o Options) error {
	var all []float64
	for range max(3, o.Rounds) {
		took, err := s.StartTime(ctx)
		if err != nil {
			return err
		}
		all = append(all, float64(took)/float64(time.Millisecond))
	}
	slices.Sort(all)
	f.start = fact{value: all[len(all)/2], note: fmt.Sprintf("%.0f to %.0f", all[0], all[len(all)-1])}
	return nil
}

// fromTest runs a test and reads what it measured from its output.
func fromTest(ctx context.Context, dir, test, pattern string, packages ...string) fact {
	if packages == nil {
		packages = []string{"."}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-v", "-run", "^" + test + "$"}, packages...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=") // the workspace, which bench is not in
	output, err := cmd.CombinedOutput()
	match := regexp.MustCompile(pattern).FindSubmatch(output)
	if match == nil {
		return fact{missing: fmt.Sprintf("%s did not tell (%v)", test, err)}
	}
	value, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		return fact{missing: err.Error()}
	}
	return fact{value: value}
}
