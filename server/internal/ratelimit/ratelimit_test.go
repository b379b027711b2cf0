package ratelimit

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inBubble runs a test with replicas that share an embedded Redis and a fake clock.
func inBubble(t *testing.T, limit Limit, replicas int, test func(t *testing.T, limiters []*Limiter, client *redis.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		embedded := redis.NewEmbedded()
		defer embedded.Close()
		client := embedded.Client()
		defer client.Close()
		synctest.Wait()
		var limiters []*Limiter
		for range replicas {
			l := New(client, limit)
			defer l.Close()
			limiters = append(limiters, l)
		}
		test(t, limiters, client)
	})
}

// flood takes n permits and returns how many it got.
func flood(t *testing.T, l *Limiter, principal string, n int) (got int) {
	t.Helper()
	for range n {
		if l.Take(t.Context(), principal) == 0 {
			got++
		}
	}
	return got
}

func TestBurstThenRate(t *testing.T) {
	limit := Limit{PerSecond: 10, Burst: 100, Block: 20}
	inBubble(t, limit, 2, func(t *testing.T, replicas []*Limiter, _ *redis.Client) {
		if got := flood(t, replicas[0], "a", 60) + flood(t, replicas[1], "a", 500); got != 100 {
			t.Errorf("%d of the burst of 100, over two replicas", got)
		}
		if wait := replicas[0].Take(t.Context(), "a"); wait <= 0 || wait > 2*time.Second {
			t.Errorf("told to wait %v", wait)
		}
		if got := flood(t, replicas[1], "b", 50); got != 50 {
			t.Errorf("another principal got %d of 50", got)
		}

		// In the long run the rate holds, however hard the replicas are pressed.
		got := 0
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			got += flood(t, replicas[0], "a", 50) + flood(t, replicas[1], "a", 50)
		}
		if got < 580 || got > 600+2*limit.Block {
			t.Errorf("%d in a minute at 10 a second", got)
		}

		time.Sleep(time.Minute)
		if got := flood(t, replicas[0], "a", 500); got < 100 || got > 100+limit.Block {
			t.Errorf("%d of the burst after a pause", got)
		}
	})
}

// TestOvershoot has one replica hoard a block, and the other use the whole burst
// later: what is over the limit is at most the hoard.
func TestOvershoot(t *testing.T) {
	limit := Limit{PerSecond: 10, Burst: 100, Block: 40}
	inBubble(t, limit, 2, func(t *testing.T, replicas []*Limiter, _ *redis.Client) {
		flood(t, replicas[0], "a", 1)
		time.Sleep(time.Minute) // the bucket is full again, 39 permits are on replica 0
		got := flood(t, replicas[0], "a", 1000) + flood(t, replicas[1], "a", 1000)
		if got > limit.Burst+limit.Block {
			t.Errorf("%d at once, want at most %d and a block of %d", got, limit.Burst, limit.Block)
		}
	})
}

func TestKeyExpires(t *testing.T) {
	inBubble(t, Limit{PerSecond: 10, Burst: 100, Block: 20}, 1, func(t *testing.T, replicas []*Limiter, client *redis.Client) {
		flood(t, replicas[0], "a", 5)
		ttl := func() int64 {
			ms, err := client.Do(t.Context(), client.B().Pttl().Key("prynai:rate:{a}").Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			return ms
		}
		if ms := ttl(); ms <= 0 || ms > 2000 {
			t.Errorf("the key lives %d ms, want up to 2000", ms)
		}
		time.Sleep(2 * time.Second)
		if ms := ttl(); ms != -2 {
			t.Errorf("a full bucket's key still has %d ms", ms)
		}
	})
}

func TestWithoutRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		embedded := redis.NewEmbedded()
		client := embedded.Client()
		client.Close() // every command fails from now on
		embedded.Close()
		l := New(client, Limit{PerSecond: 1000, Burst: 1000, Block: 10})
		defer l.Close()
		got := 0
		for range 50 {
			got += flood(t, l, "a", 20)
			time.Sleep(100 * time.Millisecond)
		}
		if got < 40 || got > 60 {
			t.Errorf("%d in 5s without Redis, want a block of 10 a second", got)
		}
	})
}

func TestForget(t *testing.T) {
	inBubble(t, Limit{PerSecond: 10, Burst: 100, Block: 20}, 1, func(t *testing.T, replicas []*Limiter, _ *redis.Client) {
		l := replicas[0]
		for i := range 100 {
			flood(t, l, strconv.Itoa(i), 1)
		}
		time.Sleep(2 * forget)
		flood(t, l, "new", 1)
		if len(l.blocks) != 1 {
			t.Errorf("%d principals are remembered", len(l.blocks))
		}
	})
}

func TestMiddleware(t *testing.T) {
	inBubble(t, Limit{PerSecond: 2, Burst: 2, Block: 1}, 1, func(t *testing.T, replicas []*Limiter, _ *redis.Client) {
		h := replicas[0].Middleware(func(r *http.Request) string { return r.Header.Get("X-Who") })(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var last *httptest.ResponseRecorder
		for range 3 {
			last = httptest.NewRecorder()
			r := httptest.NewRequest("POST", "/mcp", nil)
			r.Header.Set("X-Who", "a")
			h.ServeHTTP(last, r)
		}
		if last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") != "1" {
			t.Errorf("got %d %v", last.Code, last.Header())
		}
	})
}

// TestRoundTrips counts on a real Redis what 1,000 calls within the limit cost,
// and what 10,000 refused ones do.
func TestRoundTrips(t *testing.T) {
	server := redistest.Start(t)
	client := open(t, server)
	defer client.Close()
	l := New(client, Limit{PerSecond: 1, Burst: 1000, Block: 100})
	defer l.Close()

	if got := flood(t, l, "a", 1000); got != 1000 {
		t.Errorf("%d of the burst of 1000", got)
	}
	l.Close()
	within := scripts(t, client)
	if within > 25 {
		t.Errorf("%d round trips for 1,000 calls, want one per half block", within)
	}
	if got := flood(t, l, "a", 10_000); got > 5 {
		t.Errorf("%d calls over the limit", got)
	}
	l.Close()
	if refused := scripts(t, client) - within; refused > 5 {
		t.Errorf("%d round trips for 10,000 refused calls", refused)
	}
	t.Logf("%d round trips for 1,000 calls", within)
}

// TestSilentRedis asks a replica that knows nobody yet while Redis says nothing.
func TestSilentRedis(t *testing.T) {
	server := redistest.Start(t)
	client := open(t, server)
	l := New(client, Limit{PerSecond: 1, Burst: 10, Block: 3})
	server.Pause()
	start := time.Now()
	if got := flood(t, l, "a", 1); got != 1 {
		t.Errorf("%d of 1", got)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
	var clients sync.WaitGroup
	var got atomic.Int32
	for range 10 {
		clients.Go(func() { got.Add(int32(flood(t, l, "a", 1))) })
	}
	clients.Wait()
	// The rest of the block; or one more, if the draw gave up meanwhile.
	if got.Load() < 2 || got.Load() > 5 {
		t.Errorf("%d lent beyond the first, want the rest of a block of 3", got.Load())
	}
	server.Resume()
	l.Close()
	client.Close()
}

func open(t *testing.T, server *redistest.Server) *redis.Client {
	t.Helper()
	client := redis.Open(redis.Options{Address: server.Addr})
	for deadline := time.Now().Add(5 * time.Second); client.Health() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(client.Health())
		}
	}
	return client
}

var evalCalls = regexp.MustCompile(`cmdstat_eval(?:sha)?:calls=(\d+)`)

func scripts(t *testing.T, client *redis.Client) (calls int) {
	t.Helper()
	info, err := client.Do(t.Context(), client.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range evalCalls.FindAllStringSubmatch(info, -1) {
		n, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		calls += n
	}
	return calls
}

func BenchmarkTake(b *testing.B) {
	embedded := redis.NewEmbedded()
	defer embedded.Close()
	client := embedded.Client()
	defer client.Close()
	for client.Health() != nil {
		time.Sleep(time.Millisecond)
	}
	l := New(client, Limit{PerSecond: 1 << 30, Burst: 1 << 30, Block: 1000})
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Take(b.Context(), "a")
	}
}
