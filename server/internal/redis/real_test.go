package redis

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

func TestTLS(t *testing.T) {
	server, roots := redistest.StartTLS(t, "--requirepass", "pw")
	options := Options{Address: server.Addr, Password: "pw", TLS: true, TLSRoots: roots}

	trusting := open(t, options)
	within(t, 5*time.Second, "first contact", trusting.healthy)
	if err := set(t.Context(), trusting, "k", "v"); err != nil {
		t.Fatal(err)
	}

	options.TLSRoots = nil
	doubting := open(t, options) // the certificate is not from the system's authorities
	within(t, 5*time.Second, "refusal", func() bool { return strings.Contains(doubting.Health().Error(), "certificate") })
	options.TLS = false
	plain := open(t, options)
	for name, client := range map[string]*Client{"doubting": doubting, "plain": plain} {
		if _, err := get(t.Context(), client, "k"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}

func TestCluster(t *testing.T) {
	const keys = 20
	servers := redistest.StartCluster(t)

	client := open(t, Options{Address: servers[1].Addr})
	if err := set(t.Context(), client, "early", "v"); err != nil && !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "first contact", client.healthy)
	if client.Mode() != rueidis.ClientModeCluster {
		t.Fatalf("mode %s", client.Mode())
	}
	script := rueidis.NewLuaScript(`return redis.call("INCRBY", KEYS[1], ARGV[1])`)
	for i := range keys { // enough to meet every node
		key := fmt.Sprintf("{session-%d}", i)
		n, err := script.Exec(t.Context(), client, []string{key}, []string{"2"}).AsInt64()
		if err != nil || n != 2 {
			t.Fatalf("%s: %d, %v", key, n, err)
		}
	}
	testReceive(t, client)

	// readAll reads every key at once.
	readAll := func() (failed int, slowest time.Duration) {
		var mu sync.Mutex
		var readers sync.WaitGroup
		for i := range keys {
			readers.Go(func() {
				start := time.Now()
				v, err := get(t.Context(), client, fmt.Sprintf("{session-%d}", i))
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, time.Since(start))
				if err != nil || v != "2" {
					failed++
					if !errors.Is(err, ErrUnavailable) {
						t.Errorf("got %q, %v, want ErrUnavailable", v, err)
					}
				}
			})
		}
		readers.Wait()
		return failed, slowest
	}
	whole := func() bool { failed, _ := readAll(); return failed == 0 }

	servers[2].Pause()
	if failed, slowest := readAll(); failed == 0 || slowest > 2*time.Second {
		t.Errorf("with a silent node %d of %d failed, within %v", failed, keys, slowest)
	}
	servers[2].Resume()
	within(t, 5*time.Second, "whole after silence", whole)
	servers[2].Kill()
	if failed, slowest := readAll(); failed == 0 || slowest > 2*time.Second {
		t.Errorf("without a node %d of %d failed, within %v", failed, keys, slowest)
	}
	servers[2].Restart()
	within(t, 15*time.Second, "whole after a restart", whole)
}
