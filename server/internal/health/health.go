// Package health answers the three questions that are asked about a replica:
//
//	/livez    is the process alive? Always ok: a restart repairs neither Redis nor Entra.
//	/readyz   may it have traffic? 503 until everything it needs was there once, and while draining.
//	/healthz  how is it doing? For people and monitors: always 200.
//
// Readiness does not fall back when Redis goes away later. All replicas share
// one Redis, so all would leave the balancer at once, and clients would get its
// bare 502 or 503 instead of the answer that tells them to retry; and taking
// traffic away brings Redis back no sooner.
//
// Trust boundary: the answers are open to everybody, so they name what is
// missing but never why; the cause is in the log.
package health

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// A State is the health of one replica.
type State struct {
	redis func() error

	mu       sync.Mutex
	gates    []gate // not passed yet
	draining bool
}

type gate struct {
	name  string
	check func() error
}

// New returns a state that is ready once Redis answered. redis returns nil
// while it does; it must not block.
func New(redis func() error) *State {
	s := &State{redis: redis}
	s.Require("redis", redis)
	return s
}

// Require makes readiness wait until check has returned nil once. It must not
// block: it is called for each probe until then.
func (s *State) Require(name string, check func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = append(s.gates, gate{name, check})
}

// Drain makes the replica unready for good.
func (s *State) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// Missing returns the names of what readiness still waits for, and whether the
// replica is draining.
func (s *State) Missing() (names []string, draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = slices.DeleteFunc(s.gates, func(g gate) bool { return g.check() == nil })
	for _, g := range s.gates {
		names = append(names, g.name)
	}
	return names, s.draining
}

// Livez answers GET /livez.
func (s *State) Livez(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, answer{Status: "ok"})
}

// Readyz answers GET /readyz.
func (s *State) Readyz(w http.ResponseWriter, _ *http.Request) {
	switch missing, draining := s.Missing(); {
	case draining:
		write(w, http.StatusServiceUnavailable, answer{Status: "draining"})
	case len(missing) > 0:
		write(w, http.StatusServiceUnavailable, answer{Status: "starting", Missing: missing})
	default:
		write(w, http.StatusOK, answer{Status: "ok"})
	}
}

// Healthz answers GET /healthz.
func (s *State) Healthz(w http.ResponseWriter, _ *http.Request) {
	redis := s.redis() == nil
	write(w, http.StatusOK, answer{Status: "ok", Redis: &redis})
}

type answer struct {
	Status  string   `json:"status"`
	Redis   *bool    `json:"redis,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

func write(w http.ResponseWriter, status int, a answer) {
	body, err := json.Marshal(a)
	if err != nil {
		panic(err) // cannot happen: strings and booleans
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the asker has left: nobody to tell
}
