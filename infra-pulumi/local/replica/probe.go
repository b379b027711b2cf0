package replica

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
)

// firstAsk is the least delay of a probe's first question: a process that was
// started this very moment cannot answer, and would wait for a whole period.
const firstAsk = 200 * time.Millisecond

// prober asks directly: a proxy of the environment has no business on loopback.
var prober = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// probe asks the declared probes by their rules, and reports when the process
// must be started again.
func (r *Replica) probe(ctx context.Context, probes *sync.WaitGroup, verdict chan<- error) {
	if startup, ok := r.find(declaration.Startup); ok {
		if err := until(ctx, startup, r.ask); err != nil {
			verdict <- err
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	if liveness, ok := r.find(declaration.Liveness); ok {
		probes.Go(func() {
			watch(ctx, liveness, r.ask, func(err error) bool {
				if err != nil {
					verdict <- err
				}
				return err == nil
			})
		})
	}
	readiness, ok := r.find(declaration.Readiness)
	if !ok {
		r.admit(nil)
		return
	}
	watch(ctx, readiness, r.ask, func(err error) bool {
		r.admit(err)
		return true
	})
}

// admit takes the replica into the ingress, or out of it because of an error.
func (r *Replica) admit(err error) {
	if err != nil {
		err = fmt.Errorf("gets no requests: %w", err)
	}
	r.note(err)
	if was := r.ready.Swap(err == nil); was == (err == nil) {
		return
	}
	if err != nil {
		r.config.Tell("replica %s %v", r.name, err)
		return
	}
	r.config.Tell("replica %s is ready", r.name)
}

// find is the declared probe of a kind.
func (r *Replica) find(kind string) (declaration.Probe, bool) {
	return declaration.Container{Probes: r.config.Probes}.Probe(kind)
}

// ask puts a probe's question once. No error is a yes.
func (r *Replica) ask(ctx context.Context, probe declaration.Probe) error {
	fail := func(err error) error {
		return fmt.Errorf("its %s probe (GET %s, port %d) fails: %w", probe.Type, probe.HTTPGet.Path, probe.HTTPGet.Port, err)
	}
	address, err := r.address(probe.HTTPGet.Port)
	if err != nil {
		return fail(err)
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(probe.TimeoutSeconds)*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodGet, "http://"+address+probe.HTTPGet.Path, nil)
	if err != nil {
		return fail(err)
	}
	response, err := prober.Do(request)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fail(fmt.Errorf("no answer within %ds", probe.TimeoutSeconds))
	case err != nil:
		return fail(errors.Unwrap(err)) // without the URL, which is said already
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fail(errors.New(response.Status))
	}
	return nil
}

type asker func(context.Context, declaration.Probe) error

// watch asks a probe every period until the context ends or judge has enough.
// judge hears each answer that has come as many times in a row as its
// threshold wants.
func watch(ctx context.Context, probe declaration.Probe, ask asker, judge func(error) bool) {
	wait := max(firstAsk, time.Duration(probe.InitialDelaySeconds)*time.Second)
	successes, failures := 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = time.Duration(probe.PeriodSeconds) * time.Second
		err := ask(ctx, probe)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		if successes >= probe.SuccessThreshold || failures >= probe.FailureThreshold {
			if !judge(err) {
				return
			}
		}
	}
}

// until asks a probe until it says yes or fails for good.
func until(ctx context.Context, probe declaration.Probe, ask asker) (verdict error) {
	watch(ctx, probe, ask, func(err error) bool {
		verdict = err
		return false
	})
	return verdict
}
