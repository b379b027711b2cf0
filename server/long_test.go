package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// TestLong makes one call that takes longer than the ingress of Azure Container
// Apps lets a request take: 260 s, where each is cut after 240 s.
func TestLong(t *testing.T) {
	if os.Getenv("PRYNAI_LONG") == "" {
		t.Skip("not run: PRYNAI_LONG=1 runs this test, which takes 260 s")
	}
	const steps, limit = 1300, 240 * time.Second
	redis := "REDIS_URL=" + redistest.Start(t).URL
	in := startIngress(t, limit, startReplica(t, "product", redis), startReplica(t, "product", redis), startReplica(t, "product", redis))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := newRoamer(in.URL + "/mcp")
	defer c.close()
	c.patience = 20 * time.Second // a comment comes every 15 s
	if err := c.initialize(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s, err := c.call(ctx, "long_task", `{"steps":1300}`)
	if text, ok := s.text(); err != nil || !ok || text != "done" {
		t.Fatalf("after %v: %v, %+v", time.Since(start), err, s.answer)
	}
	if len(s.seen) != steps+2 || c.resumptions.Load() < 1 {
		t.Errorf("%d notifications, %d resumptions", len(s.seen), c.resumptions.Load())
	}
	t.Logf("done after %v, resumed %d times, %d notifications", time.Since(start).Round(time.Second), c.resumptions.Load(), len(s.seen))
}
