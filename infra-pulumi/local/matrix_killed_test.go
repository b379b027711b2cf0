package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// killed releases a good version, by a command that is killed after each step
// and begun again.
func (l *lane) killed(t *testing.T) {
	const name = "deploy killed after each step"
	t.Run(l.where+" "+name, func(t *testing.T) {
		l.table.add(l.where, name, l.measure(t, nothing, func() {
			build := l.make(good)
			for _, at := range []string{"waiting until", "at its own address", "giving all the traffic", "where the clients are", "finishes what it runs", "deactivating"} {
				l.kill(t, at)
			}
			if err := l.deploy(t); err != nil {
				t.Fatal(err)
			}
			l.wantLive(t, l.live(t))
			if _, err := l.prove(t.Context(), l.url, build); err != nil {
				t.Error(err)
			}
		}))
	})
}

// kill begins a release and ends it as soon as it says something: from then on
// it reaches nothing. That a real process is killed is tested in package release.
func (l *lane) kill(t *testing.T, at string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &killable{cloud: l.cloud}
	say := l.say(t)
	r := &rollout.Rollout{
		Cloud: k, Limits: matrixLimits,
		Prove: func(ctx context.Context, url, build string) (answered string, err error) {
			return answered, k.do(func() error { answered, err = l.prove(ctx, url, build); return err })
		},
		Say: func(format string, args ...any) {
			if k.dead.Load() {
				return
			}
			say(format, args...)
			if strings.Contains(fmt.Sprintf(format, args...), at) {
				t.Logf("killed")
				k.dead.Store(true)
				cancel()
			}
		},
	}
	if err := r.Deploy(ctx); err == nil || !k.dead.Load() {
		t.Errorf("%q was not reached, or its end went unnoticed: %v", at, err)
	}
}

var errKilled = errors.New("killed")

// killable is a cloud that nothing reaches any more once its caller is dead.
type killable struct {
	cloud rollout.Cloud
	dead  atomic.Bool
}

func (k *killable) do(call func() error) error {
	if k.dead.Load() {
		return errKilled
	}
	return call()
}

func (k *killable) Status(ctx context.Context) (s rollout.Status, err error) {
	return s, k.do(func() error { s, err = k.cloud.Status(ctx); return err })
}

func (k *killable) Stage(ctx context.Context, record rollout.Record) (s rollout.Staged, err error) {
	return s, k.do(func() error { s, err = k.cloud.Stage(ctx, record); return err })
}

func (k *killable) Move(ctx context.Context, record rollout.Record) error {
	return k.do(func() error { return k.cloud.Move(ctx, record) })
}

func (k *killable) Activate(ctx context.Context, revision string) error {
	return k.do(func() error { return k.cloud.Activate(ctx, revision) })
}

func (k *killable) Deactivate(ctx context.Context, revision string) error {
	return k.do(func() error { return k.cloud.Deactivate(ctx, revision) })
}
