package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prynai/prynai-mcp/bench/internal/stage"
)

// profile puts a load on a server that was built to tell of itself, and writes
// what it tells into .task/profile.
func profile(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench profile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	load := stage.Load{Warmup: 2 * time.Second, Sessions: 1000}
	flags.StringVar(&load.Era, "era", "sessions", "sessions or stateless")
	flags.StringVar(&load.Mix, "mix", "call", "as of smoke load")
	flags.Float64Var(&load.Rate, "rate", 0, "operations a second; 0 is the closed model")
	flags.IntVar(&load.Concurrency, "concurrency", 64, "as of smoke load")
	flags.DurationVar(&load.Duration, "duration", 15*time.Second, "how long to profile")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := root()
	if err != nil {
		return err
	}
	s, err := stage.Open(ctx, stage.Options{Root: folder, Tags: []string{"profile"}, Log: logTo(stderr)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	subject, err := s.Start(ctx, stage.Server)
	if err != nil {
		return err
	}
	defer subject.Stop()

	target := filepath.Join(folder, ".task", "profile")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	profiled := make(chan error, 1)
	go func() {
		// The sessions are made in the meantime; the load outlasts the profile.
		select {
		case <-time.After(load.Warmup):
		case <-ctx.Done():
		}
		seconds := strconv.Itoa(int(load.Duration.Seconds()))
		profiled <- errors.Join(
			fetch(ctx, subject.Profiles+"profile?seconds="+seconds, filepath.Join(target, "cpu.pprof")),
			fetch(ctx, subject.Profiles+"allocs", filepath.Join(target, "allocs.pprof")),
			fetch(ctx, subject.Profiles+"heap", filepath.Join(target, "heap.pprof")))
	}()
	sample, err := subject.Put(ctx, load)
	if err := errors.Join(err, <-profiled); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%.0f operations a second, %.0f per CPU-second, p50 %.2f ms, p99 %.2f ms\n",
		sample.PerSecond, sample.PerCPUSecond, sample.P50, sample.P99)
	fmt.Fprintf(stdout, "profiles: cpu.pprof, allocs.pprof and heap.pprof in %s\n\n", target)
	top := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=60", filepath.Join(target, "cpu.pprof"))
	top.Stdout, top.Stderr = stdout, stderr
	return top.Run()
}

func fetch(ctx context.Context, url, path string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, response.Body)
	return err
}
