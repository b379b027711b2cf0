package health

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnswers(t *testing.T) {
	away := errors.New("dial tcp 10.0.0.1:6379: secret cause")
	redis, keys := away, away
	s := New(func() error { return redis })
	s.Require("entra", func() error { return keys })

	expect := func(when string, handler http.HandlerFunc, status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != status || w.Body.String() != body {
			t.Errorf("%s: got %d %s, want %d %s", when, w.Code, w.Body, status, body)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: Content-Type %q", when, got)
		}
	}

	expect("at start", s.Livez, 200, `{"status":"ok"}`)
	expect("at start", s.Healthz, 200, `{"status":"ok","redis":false}`)
	expect("at start", s.Readyz, 503, `{"status":"starting","missing":["redis","entra"]}`)

	redis = nil
	expect("redis came", s.Healthz, 200, `{"status":"ok","redis":true}`)
	expect("redis came", s.Readyz, 503, `{"status":"starting","missing":["entra"]}`)

	redis = away
	expect("redis went", s.Readyz, 503, `{"status":"starting","missing":["entra"]}`)

	keys = nil
	expect("all were there once", s.Readyz, 200, `{"status":"ok"}`)
	expect("all were there once", s.Healthz, 200, `{"status":"ok","redis":false}`)

	keys = away
	expect("both went later", s.Readyz, 200, `{"status":"ok"}`)

	s.Drain()
	expect("draining", s.Readyz, 503, `{"status":"draining"}`)
	expect("draining", s.Livez, 200, `{"status":"ok"}`)
}
