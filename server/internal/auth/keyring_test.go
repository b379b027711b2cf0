package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

// inBubble runs a verifier in synctest's bubble, on a clock of its own, until the test ends.
func inBubble(t *testing.T, authority func(*entratest.Entra) http.Handler, test func(t *testing.T, entra *entratest.Entra, v *Verifier, log *records)) {
	t.Helper()
	entra := newEntra()
	synctest.Test(t, func(t *testing.T) {
		v, log := newVerifier(t, authority(entra))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			v.Run(ctx)
		}()
		synctest.Wait()
		test(t, entra, v, log)
		stop()
		<-done
	})
}

func plain(entra *entratest.Entra) http.Handler { return entra }

// status is what the middleware answers; 204 is the handler's.
func status(t *testing.T, v *Verifier, token string) int {
	t.Helper()
	recorder := httptest.NewRecorder()
	v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(recorder, bearerOf(t, token))
	return recorder.Code
}

func expect(t *testing.T, v *Verifier, token string, want int, when string) {
	t.Helper()
	if got := status(t, v, token); got != want {
		t.Errorf("%s: status %d, want %d", when, got, want)
	}
}

func TestExpiryEndsWhatIsCached(t *testing.T) {
	inBubble(t, plain, func(t *testing.T, entra *entratest.Entra, v *Verifier, _ *records) {
		token := entra.Mint(entratest.Token{Lifetime: 10 * time.Minute})
		expect(t, v, token, 204, "fresh")
		time.Sleep(10*time.Minute + skew)
		expect(t, v, token, 204, "at the end of the skew")
		time.Sleep(time.Second)
		expect(t, v, token, 401, "behind it")
	})
}

func TestRotation(t *testing.T) {
	inBubble(t, plain, func(t *testing.T, entra *entratest.Entra, v *Verifier, _ *records) {
		old := entra.Mint(entratest.Token{Lifetime: 24 * time.Hour})
		expect(t, v, old, 204, "before")
		cached := v.keys.current.Load().verified

		entra.Rotate()
		time.Sleep(refreshEvery + time.Second)
		synctest.Wait()
		if v.keys.current.Load().verified != cached {
			t.Error("a key that is added must not empty the cache")
		}
		before := entra.Fetches()
		expect(t, v, entra.Mint(entratest.Token{}), 204, "new key, known from the background")
		if entra.Fetches() != before {
			t.Error("the new key should have been there already")
		}

		entra.Retire()
		expect(t, v, old, 204, "withdrawn, not known yet")
		time.Sleep(refreshEvery)
		synctest.Wait()
		expect(t, v, old, 401, "withdrawn: the cached token goes with its key")
	})
}

func TestSuddenRotation(t *testing.T) {
	inBubble(t, plain, func(t *testing.T, entra *entratest.Entra, v *Verifier, _ *records) {
		time.Sleep(fetchInterval)
		entra.Rotate()
		before := entra.Fetches().Keys
		expect(t, v, entra.Mint(entratest.Token{}), 204, "new key")
		expect(t, v, entra.Mint(entratest.Token{}), 204, "new key again")
		if got := entra.Fetches().Keys - before; got != 2 { // v1's and v2's
			t.Errorf("%d fetches of keys, want one round of two", got)
		}
	})
}

func TestFloodOfUnknownKeys(t *testing.T) {
	inBubble(t, plain, func(t *testing.T, entra *entratest.Entra, v *Verifier, _ *records) {
		_, key := entra.SigningKey()
		before := entra.Fetches().Keys
		const rounds = 5
		for round := range rounds {
			time.Sleep(fetchInterval)
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() {
					forged := jws(fmt.Sprintf(`{"alg":"RS256","kid":"%d-%d"}`, round, i), toJSON(entra.Claims(entratest.Token{})), func(string) []byte { return key.N.Bytes() })
					expect(t, v, forged, 401, "unknown kid")
				})
			}
			all.Wait()
			expect(t, v, entra.Mint(entratest.Token{}), 204, "an honest token meanwhile")
		}
		if got := entra.Fetches().Keys - before; got != 2*rounds {
			t.Errorf("%d fetches of keys in %d intervals, want one round of two in each", got, rounds)
		}
	})
}

// slow lets the answers of the authority wait.
type slow struct {
	http.Handler
	delay time.Duration
}

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.delay)
	s.Handler.ServeHTTP(w, r)
}

// A client that leaves must not spoil the fetch that others wait for.
func TestFetchOutlivesItsClient(t *testing.T) {
	authority := func(entra *entratest.Entra) http.Handler { return slow{entra, time.Second} }
	inBubble(t, authority, func(t *testing.T, entra *entratest.Entra, v *Verifier, _ *records) {
		time.Sleep(2 * fetchInterval)
		entra.Rotate()
		token := entra.Mint(entratest.Token{})
		impatient, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := v.Verify(impatient, token); err != nil {
				t.Errorf("the fetch was cut short: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			_, err := v.Verify(impatient, token)
			var e *Error
			if !errors.As(err, &e) || e.Status != 503 {
				t.Errorf("who leaves while waiting gets %v", err)
			}
		})
		all.Go(func() { expect(t, v, token, 204, "waiting for another's fetch") })
		all.Wait()
	})
}

func TestEntraAwayAtStart(t *testing.T) {
	away := func(entra *entratest.Entra) http.Handler { entra.SetAway(true); return entra }
	inBubble(t, away, func(t *testing.T, entra *entratest.Entra, v *Verifier, log *records) {
		token := entra.Mint(entratest.Token{Lifetime: 24 * time.Hour})
		if v.Ready() {
			t.Error("ready without keys")
		}
		recorder := httptest.NewRecorder()
		v.Middleware(unreachable(t)).ServeHTTP(recorder, bearerOf(t, token))
		refusal{503, "temporarily_unavailable", "The identity provider's keys cannot be loaded at the moment. Nothing is wrong with the token; try again soon.", "no keys of the tenant"}.
			check(t, recorder.Result(), recorder.Body.String(), log.String())
		if recorder.Header().Get("Retry-After") != "5" {
			t.Errorf("Retry-After = %q", recorder.Header().Get("Retry-After"))
		}
		expect(t, v, "garbage", 503, "garbage: without keys nothing is called invalid")
		if got := status(t, v, ""); got != 400 {
			t.Errorf("a malformed request needs no keys to be refused: %d", got)
		}
		if !strings.Contains(log.String(), "answered 503") {
			t.Errorf("the operator is not told why: %s", log)
		}

		time.Sleep(time.Hour)
		if got := entra.Fetches().Discovery; got < 60 || got > 70 {
			t.Errorf("%d attempts in an hour, want one a minute after a quick start", got)
		}
		entra.SetAway(false)
		time.Sleep(fetchInterval)
		synctest.Wait()
		if !v.Ready() {
			t.Error("not ready although Entra is back")
		}
		expect(t, v, token, 204, "Entra is back")
	})
}

func TestEntraAwayLater(t *testing.T) {
	inBubble(t, plain, func(t *testing.T, entra *entratest.Entra, v *Verifier, log *records) {
		entra.SetAway(true)
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if !v.Ready() {
			t.Error("keys were given up")
		}
		expect(t, v, entra.Mint(entratest.Token{}), 204, "new token, keys of two days ago")
		entra.Rotate()
		fresh := entra.Mint(entratest.Token{})
		expect(t, v, fresh, 503, "a kid that nobody can ask about")
		if !strings.Contains(log.String(), "the last fetch of keys failed") {
			t.Errorf("the cause is not told: %s", log)
		}
		entra.SetAway(false)
		time.Sleep(fetchInterval)
		expect(t, v, fresh, 204, "Entra is back")
	})
}

// replaced answers one path with a text of its own.
type replaced struct {
	http.Handler
	path, text string
}

func (s replaced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, s.path) {
		_, _ = w.Write([]byte(s.text))
		return
	}
	s.Handler.ServeHTTP(w, r)
}

func TestAuthorityNotTrustedBlindly(t *testing.T) {
	entra := newEntra()
	for _, test := range []struct{ path, text, want string }{
		{"/v2.0/.well-known/openid-configuration", `{"issuer":"https://login.example.com/common/v2.0","jwks_uri":"https://login.example.com/keys"}`, "not one of the tenant"},
		{"/.well-known/openid-configuration", `{"issuer":"https://login.example.com/` + tenant + `","jwks_uri":"http://login.example.com/keys"}`, "not under https"},
		{"/.well-known/openid-configuration", `<html>`, "invalid character"},
		{"/keys", `{"keys":[]}`, "published no RSA signing key"},
		{"/keys", `{"keys":[{"kty":"RSA","use":"enc","kid":"k","n":"` + strings.Repeat("x", 342) + `","e":"AQAB"}]}`, "published no RSA signing key"},
		{"/keys", `{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"` + strings.Repeat("x", 171) + `","e":"AQAB"}]}`, "published no RSA signing key"},
		{"/keys", `{"keys":"` + strings.Repeat("x", 2<<20) + `"}`, "unexpected EOF"},
	} {
		v, _ := newVerifier(t, replaced{entra, test.path, test.text})
		if err := v.keys.refresh(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) || v.Ready() {
			t.Errorf("%s: %v, want %s", test.path, err, test.want)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	v, _ := newVerifier(t, http.RedirectHandler("https://evil.example.com/", http.StatusFound))
	if err := v.keys.refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("refresh = %v", err)
	}
}
