// Command bench measures this project's server side by side with the library
// underneath it and with its peers.
//
//	bench [--quick] [--rounds n] [--rate n]   all goals; writes docs/performance.md
//	bench profile [--era e] [--mix m]         CPU and heap profiles of a load
//	bench peer name address                   a peer, as bench itself starts it
//
// It runs in its own folder. Everything is on loopback and ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/prynai/prynai-mcp/bench/internal/document"
	"github.com/prynai/prynai-mcp/bench/internal/peer"
	"github.com/prynai/prynai-mcp/bench/internal/stage"
	"github.com/prynai/prynai-mcp/bench/internal/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "peer":
		if len(args) != 3 {
			return errors.New("usage: bench peer name address")
		}
		return peer.Serve(ctx, args[1], args[2])
	case "profile":
		return profile(ctx, args[1:], stdout, stderr)
	}
	return compare(ctx, args, stdout, stderr)
}

// root is the repository's, seen from this module's folder.
func root() (string, error) {
	folder, err := filepath.Abs("..")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder, "server", "go.mod")); err != nil {
		return "", errors.New("the working directory is not the repository's bench folder: go tool task bench runs it there")
	}
	return folder, nil
}

func logTo(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}

// compare measures everything. Not to meet a goal is a result, not a failure.
func compare(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	thorough := suite.Thorough()
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "one short round that writes nothing: does everything work?")
	rounds := flags.Int("rounds", thorough.Rounds, "rounds; fewer than 5 write nothing")
	rate := flags.Float64("rate", thorough.Rate, "calls a second that all servers must reach")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := thorough
	options.Rounds, options.Rate = *rounds, *rate
	if *quick {
		options = suite.Quick()
	}
	options.Log = logTo(stderr)
	folder, err := root()
	if err != nil {
		return err
	}
	s, err := stage.Open(ctx, stage.Options{Root: folder, Log: options.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	results, err := suite.Run(ctx, s, options)
	if err != nil {
		return err
	}
	if err := document.Print(stdout, results); err != nil {
		return err
	}
	if options.Rounds < thorough.Rounds {
		options.Log("rounds: %d; with fewer than %d it is shown that everything works, and nothing is written down", options.Rounds, thorough.Rounds)
		return nil
	}
	return document.Write(ctx, filepath.Join(folder, "docs"), results)
}
