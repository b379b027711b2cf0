package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/prynai/prynai-mcp/smoke/internal/load"
	"github.com/prynai/prynai-mcp/smoke/internal/settings"
)

// loadFlags are what smoke load is told.
type loadFlags struct {
	plan       load.Plan
	mix        string
	era        string
	tokenFile  string
	tokenNames []string
	arguments  [2]string // of the tools
	html       string
	quiet      bool
}

func (l *loadFlags) declare(flags *flag.FlagSet) {
	p := &l.plan
	flags.Func("url", "address of an MCP endpoint; given again: each session goes round all of them", func(text string) error {
		u, err := url.Parse(text)
		p.URLs = append(p.URLs, u)
		return err
	})
	flags.BoolVar(&p.AllowRemote, "allow-remote", false, "accept addresses that are not on loopback: say so only where the load is yours to make")
	flags.StringVar(&l.era, "era", string(load.Sessions), "sessions (2025-11-25) or stateless (2026-07-28)")
	flags.StringVar(&l.mix, "mix", "call", "what to do and how often: initialize, list, call, progress, resume, mirror; such as call=9,list=1")
	flags.Float64Var(&p.Rate, "rate", 0, "open model: operations that are due each second; 0 is the closed model")
	flags.IntVar(&p.Concurrency, "concurrency", 64, "closed model: clients that each wait for their answer; open model: the most operations under way")
	flags.DurationVar(&p.Duration, "duration", 10*time.Second, "how long to measure")
	flags.DurationVar(&p.Warmup, "warmup", 2*time.Second, "how long to load before that, unmeasured")
	flags.DurationVar(&p.Timeout, "request-timeout", 30*time.Second, "limit for one operation")
	flags.Int64Var(&p.Count, "count", 0, "the most operations, the warm-up's included; 0 is no limit but time")
	flags.IntVar(&p.Sessions, "sessions", 100, "sessions to open and use in turn")
	flags.IntVar(&p.Streams, "streams", 0, "idle GET streams to hold open, one each of the first sessions")
	flags.Float64Var(&p.Cut, "cut", 0, "share of the progress operations whose stream is cut after the first event and left, from 0 to 1")
	flags.StringVar(&p.Call.Name, "tool", "", "tool to call; by default add, with terms that vary and sums that are checked")
	flags.StringVar(&l.arguments[0], "arguments", "", "its arguments, a JSON object")
	flags.StringVar(&p.Progress.Name, "progress-tool", "", "tool that reports its progress; by default long_task with ten steps")
	flags.StringVar(&l.arguments[1], "progress-arguments", "", "its arguments, a JSON object")
	flags.StringVar(&l.tokenFile, "token-file", "", "file of bearer tokens: a line for each principal, who uses all tokens on it in turn")
	flags.Func("token-env", "variable that holds the tokens of one principal; given again: of another", func(name string) error {
		l.tokenNames = append(l.tokenNames, name)
		return nil
	})
	flags.Func("pid", "process of the server, whose CPU time and memory to count (on Linux); may be given again", func(text string) error {
		id, err := strconv.Atoi(text)
		p.Processes = append(p.Processes, id)
		return err
	})
	flags.StringVar(&l.html, "html", "", "write a report with curves to this file, too")
	flags.BoolVar(&l.quiet, "quiet", false, "no line each second")
}

// complete makes the plan of the flags.
func (l *loadFlags) complete(getenv func(string) string) (load.Plan, error) {
	p := l.plan
	var problems []error
	fail := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", flag, err))
		}
	}
	var err error
	p.Era = load.Era(l.era)
	p.Mix, err = load.ParseMix(l.mix)
	fail("--mix", err)
	p.Call.Arguments, err = object(l.arguments[0])
	fail("--arguments", err)
	p.Progress.Arguments, err = object(l.arguments[1])
	fail("--progress-arguments", err)
	for _, name := range l.tokenNames {
		principal, err := load.NewPrincipal(getenv(name))
		fail("--token-env "+name, err)
		p.Principals = append(p.Principals, principal)
	}
	if l.tokenFile != "" {
		principals, err := readPrincipals(l.tokenFile)
		fail("--token-file", err)
		p.Principals = append(p.Principals, principals...)
	}
	p.Roots, err = settings.Roots(getenv("TLS_CA"))
	fail("TLS_CA", err)
	if len(problems) > 0 {
		return p, errors.Join(problems...)
	}
	return p, p.Check()
}

func readPrincipals(path string) (_ []*load.Principal, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return load.ReadPrincipals(file)
}

func object(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, errors.New("want a JSON object")
	}
	return json.RawMessage(text), nil
}

// putLoad makes a load and reports it.
func (c *command) putLoad(ctx context.Context) (bool, error) {
	plan, err := c.loading.complete(c.getenv)
	if err != nil {
		return false, err
	}
	run, err := load.Run(ctx, plan, c.live())
	if err != nil {
		return false, err
	}
	write := run.Table
	if c.json {
		write = run.JSON
	}
	if err := write(c.stdout); err != nil {
		return false, err
	}
	if c.loading.html == "" {
		return run.Held(), nil
	}
	return run.Held(), writeFile(c.loading.html, run.HTML)
}

// live shows the present second: in a terminal on one line.
func (c *command) live() func(load.Second) {
	if c.loading.quiet {
		return nil
	}
	format := "%s\n"
	if file, ok := c.stderr.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			format = "\r%s\x1b[K" // and clear the rest of the line
		}
	}
	return func(s load.Second) { fmt.Fprintf(c.stderr, format, s.Line()) }
}

func writeFile(path string, write func(io.Writer) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriter(file)
	return errors.Join(write(buffered), buffered.Flush())
}
