package session

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// counted counts the round trips that callers wait for: those of the bus are
// left out, which are sent with a context of its own.
type counted struct {
	rueidis.Client
	trips atomic.Int32
}

type ofTest struct{}

func (c *counted) count(ctx context.Context) {
	if ctx.Value(ofTest{}) != nil {
		c.trips.Add(1)
	}
}

func (c *counted) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	c.count(ctx)
	return c.Client.Do(ctx, cmd)
}

func (c *counted) DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult {
	c.count(ctx)
	return c.Client.DoMulti(ctx, multi...)
}

// TestBudget counts round trips to Redis.
func TestBudget(t *testing.T) {
	b := &backend{connect: connectTo(redistest.Start(t).Addr)}
	b.client = b.newClient(t)
	client := &counted{Client: b.newClient(t)}
	one := b.openWith(t, client, Limits{})
	ctx := context.WithValue(t.Context(), ofTest{}, true)
	record, err := one.Create(ctx, Record{Principal: "p"})
	if err != nil {
		t.Fatal(err)
	}
	foreign := b.open(t, Limits{}).create(t)
	stream, warm := one.stream(t, record.ID), one.stream(t, record.ID)
	want(t, "load scripts", warm.Append(ctx, []byte("a")), nil)
	want(t, "load scripts", one.Cancel(ctx, record.ID, []byte("0")), nil)
	tail, err := one.Tail(ctx, record.ID, Cursor{warm.id, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()

	for _, test := range []struct {
		name  string
		trips int32
		run   func() error
	}{
		{"a session known here", 0, func() error { _, err := one.Load(ctx, record.ID); return err }},
		{"a session not known here", 1, func() error { _, err := one.Load(ctx, foreign.ID); return err }},
		{"now it is", 0, func() error { _, err := one.Load(ctx, foreign.ID); return err }},
		{"a stream that sends nothing", 0, func() error { _, err := one.NewStream(record.ID, []byte("1")); return err }},
		{"initialize", 1, func() error { _, err := one.Create(ctx, Record{Principal: "p"}); return err }},
		{"some events", 1, func() error { return stream.Append(ctx, []byte("a"), []byte("b")) }},
		{"a result", 1, func() error { return stream.Finish(ctx, []byte("c")) }},
		{"a resumption", 1, func() error {
			tail, err := one.Tail(ctx, record.ID, Cursor{stream.id, 1})
			if err == nil {
				tail.Close()
			}
			return err
		}},
		{"a read", 1, func() error { _, err := tail.Read(ctx); return err }},
		{"a cancel", 1, func() error { return one.Cancel(ctx, record.ID, []byte("1")) }},
	} {
		client.trips.Store(0)
		if err := test.run(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if n := client.trips.Load(); n != test.trips {
			t.Errorf("%s took %d round trips, want %d", test.name, n, test.trips)
		}
	}
}

// TestBudgetInRedis asks Redis itself what plain calls of known sessions cost.
func TestBudgetInRedis(t *testing.T) {
	b := &backend{connect: connectTo(redistest.Start(t).Addr)}
	b.client = b.newClient(t)
	one := b.open(t, Limits{})
	record := one.create(t)
	before := b.commands(t)
	for range 10000 {
		if _, err := one.Load(t.Context(), record.ID); err != nil {
			t.Fatal(err)
		}
	}
	if after := b.commands(t); !slices.Equal(before, after) {
		t.Errorf("commands before: %v, after: %v", before, after)
	}
}

// commands counts those that read sessions: hgetall, hget and touches.
func (b *backend) commands(t *testing.T) (counts []string) {
	t.Helper()
	info, err := b.client.Do(t.Context(), b.client.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		for _, name := range []string{"cmdstat_hgetall:", "cmdstat_hget:", "cmdstat_exists:", "cmdstat_pexpire:", "cmdstat_xadd:"} {
			if strings.HasPrefix(line, name) {
				counts = append(counts, line)
			}
		}
	}
	return counts
}
