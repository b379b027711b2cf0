package load

import (
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// recorder counts what is due in the measured time, whenever it ends, and what
// happens in each second.
type recorder struct {
	begin, end time.Time
	server     processes
	client     processes

	mu         sync.Mutex
	operations map[Operation]*tally
	failures   map[string]*ErrorCount
	cut        int64
	late       int64 // never sent
	answered   int64 // ended well within the measured time, whenever they were due
	second     *hdrhistogram.Histogram
	failed     int64 // in this second
	seconds    []Second
	serverCPU  span
	clientCPU  span
}

// tally is of one operation.
type tally struct {
	latency *hdrhistogram.Histogram
	failed  int64
}

// span is a process's CPU time at the beginning and the end.
type span struct{ from, to time.Duration }

func (s span) length() time.Duration { return s.to - s.from }

// newHistogram holds microseconds, from one to ten minutes, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
}

func newRecorder(begin time.Time, duration time.Duration, server, client processes) *recorder {
	return &recorder{
		begin: begin, end: begin.Add(duration), server: server, client: client,
		operations: map[Operation]*tally{}, failures: map[string]*ErrorCount{}, second: newHistogram(),
	}
}

// add records an operation.
func (rec *recorder) add(operation Operation, due, ended time.Time, err error) {
	latency := max(1, min(ended.Sub(due).Microseconds(), rec.second.HighestTrackableValue()))
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch {
	case errors.Is(err, errCut):
		rec.cut++
		return
	case errors.Is(err, errRunEnded):
		return
	}
	if err == nil {
		_ = rec.second.RecordValue(latency) // it is in the histogram's range
		if !ended.Before(rec.begin) && ended.Before(rec.end) {
			rec.answered++
		}
	} else {
		rec.failed++
	}
	if due.Before(rec.begin) && err == nil {
		return // the warm-up; its failures count
	}
	t := rec.operations[operation]
	if t == nil {
		t = &tally{latency: newHistogram()}
		rec.operations[operation] = t
	}
	if err == nil {
		_ = t.latency.RecordValue(latency)
		return
	}
	t.failed++
	rec.fail(err)
}

// fail counts a failure; the lock is held.
func (rec *recorder) fail(err error) {
	const kinds = 50 // a server chooses status and error codes
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{kind: "other", detail: err.Error()}
	}
	if rec.failures[f.kind] == nil {
		if len(rec.failures) >= kinds {
			f = &failure{kind: "more kinds"}
		}
		if rec.failures[f.kind] == nil {
			rec.failures[f.kind] = &ErrorCount{Kind: f.kind, Example: shorten(f.detail)}
		}
	}
	rec.failures[f.kind].Count++
}

// unsent counts operations that were due and that nobody was free to make.
func (rec *recorder) unsent(n int64) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.late += n
}

// watch takes the processes' times at the beginning and at the end, and a
// sample each second.
func (rec *recorder) watch(ended <-chan struct{}, idle *streams, live func(Second)) {
	begin, end := time.NewTimer(time.Until(rec.begin)), time.NewTimer(time.Until(rec.end))
	defer begin.Stop()
	defer end.Stop()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	rec.mark(&rec.serverCPU.from, &rec.clientCPU.from) // should the run end within the warm-up
	last, cpu := time.Now(), rec.server.cpu()
	for over := false; ; {
		select {
		case <-begin.C:
			rec.mark(&rec.serverCPU.from, &rec.clientCPU.from)
		case <-end.C:
			over = true
			rec.mark(&rec.serverCPU.to, &rec.clientCPU.to)
		case now := <-ticker.C:
			used := rec.server.cpu()
			s := rec.sample(now.Sub(last), used-cpu, idle)
			last, cpu = now, used
			if live != nil {
				live(s)
			}
		case <-ended:
			if !over { // fewer were asked for, or the run was ended
				rec.mark(&rec.serverCPU.to, &rec.clientCPU.to)
				rec.mu.Lock()
				rec.end = time.Now()
				rec.mu.Unlock()
			}
			return
		}
	}
}

func (rec *recorder) mark(server, client *time.Duration) {
	*server, *client = rec.server.cpu(), rec.client.cpu()
}

// sample closes a second.
func (rec *recorder) sample(length, cpu time.Duration, idle *streams) Second {
	resident := rec.server.resident()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	s := Second{
		At:        time.Since(rec.begin).Seconds(),
		PerSecond: float64(rec.second.TotalCount()) / length.Seconds(),
		Failed:    rec.failed,
		P50:       milliseconds(rec.second, 50),
		P99:       milliseconds(rec.second, 99),
		CPU:       cpu.Seconds() / length.Seconds(),
		Resident:  resident,
		Streams:   idle.held.Load(),
	}
	rec.second.Reset()
	rec.failed = 0
	rec.seconds = append(rec.seconds, s)
	return s
}

func milliseconds(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1000
}

func shorten(text string) string {
	const longest = 200
	if len(text) > longest {
		return text[:longest] + "..."
	}
	return text
}
