package telemetry

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// reportEvery bounds how often the log speaks of telemetry.
	reportEvery = time.Minute
	// longestReport bounds what a collector can have logged: errors quote its
	// answers.
	longestReport = 512
)

// reporter logs what goes wrong with telemetry itself.
type reporter struct {
	log    *slog.Logger
	redact *strings.Replacer

	mu     sync.Mutex
	next   time.Time // before which nothing is logged
	silent int       // what was not logged since
}

func newReporter(log *slog.Logger, headers map[string]string) *reporter {
	var pairs []string
	for _, value := range headers {
		pairs = append(pairs, value, "[redacted]")
		for _, word := range strings.Fields(value) { // a token without its scheme
			pairs = append(pairs, word, "[redacted]")
		}
	}
	return &reporter{log: log, redact: strings.NewReplacer(pairs...)}
}

// Handle is part of [otel.ErrorHandler].
func (r *reporter) Handle(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next) {
		r.silent++
		return
	}
	text := r.redact.Replace(err.Error())
	if len(text) > longestReport {
		text = fmt.Sprintf("%s… (%d bytes)", text[:longestReport], len(text))
	}
	r.log.Warn("telemetry is not delivered", "error", text, "not_logged_before", r.silent)
	r.next, r.silent = now.Add(reportEvery), 0
}
