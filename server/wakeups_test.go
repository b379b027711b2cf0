//go:build linux && !race

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A request that wakes an idle replica wakes one thread of it: not the
// scheduler's monitor, which would look around a few times before it slept
// again (see package rawconn). How often threads went to sleep tells.
func TestRequestWakesOneThread(t *testing.T) {
	const requests, most = 300, 2.0 // some are timers of the replica's own; with the monitor it is over 3
	r := startReplica(t, "product", "GOMAXPROCS=1")
	before := sleeps(t, r)
	for range requests {
		response, err := http.Get("http://" + r.Address + "/livez")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body) // the connection is to be kept
		_ = response.Body.Close()
		time.Sleep(2 * time.Millisecond) // so that it sleeps again
	}
	if each := float64(sleeps(t, r)-before) / requests; each > most {
		t.Errorf("a request makes %.1f threads go to sleep, at most %v are wanted", each, most)
	} else {
		t.Logf("%.2f times a request", each)
	}
}

// sleeps is how often the threads of a replica have gone to sleep.
func sleeps(t *testing.T, r *replica) (sum int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", r.process.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatal("there is no list of threads: ", err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			var n int
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n); err == nil {
				sum += n
			}
		}
	}
	return sum
}
