package auth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	refreshEvery  = time.Hour   // in the background; Entra announces a new key days ahead
	fetchInterval = time.Minute // at least this long between fetches that unknown key ids ask for
	fetchTimeout  = 10 * time.Second
	firstRetry    = time.Second // doubled up to fetchInterval
)

// trust is what the authority said at one moment. It is never changed, but for the tokens verified with
// it: they belong to it, so that a key that is withdrawn takes its tokens along without a race.
type trust struct {
	issuers  []string
	keys     map[string]*rsa.PublicKey
	verified *cache
}

// outlives reports whether everything that t vouches for is still vouched for by next.
func (t *trust) outlives(next *trust) bool {
	for id, key := range t.keys {
		if kept, found := next.keys[id]; !found || !kept.Equal(key) {
			return false
		}
	}
	return slices.Equal(t.issuers, next.issuers)
}

// keyring holds the tenant's issuers and signing keys: loaded at start, refreshed in the background and
// when a token names an unknown key, kept for as long as the authority cannot be reached.
type keyring struct {
	authority string
	tenant    string
	client    *http.Client
	log       *slog.Logger

	current atomic.Pointer[trust] // nil until the first fetch succeeds

	turn      chan struct{} // held by the one who fetches; guards the two below
	attempted time.Time
	failure   error
}

// run fetches at once and then for ever. Until the first success it tries often.
func (k *keyring) run(ctx context.Context) {
	retry := firstRetry
	for {
		wait := refreshEvery
		if err := k.refresh(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			wait, retry = retry, min(2*retry, fetchInterval)
			k.log.WarnContext(ctx, "Entra's keys could not be fetched", "error", err, "have_keys", k.current.Load() != nil, "retry_in", wait)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (k *keyring) refresh(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.turn }()
	return k.fetch(ctx)
}

// lookup finds the key, and what it belongs to. An unknown id makes it ask the authority, unless that was
// done within the last interval: whoever sends made-up ids cannot make this server hammer Entra.
func (k *keyring) lookup(ctx context.Context, id string) (*trust, *rsa.PublicKey, error) {
	known := k.current.Load()
	if key, found := known.keys[id]; found {
		return known, key, nil
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, unavailable("the client left while keys were fetched: %v", ctx.Err())
	}
	defer func() { <-k.turn }()
	if time.Since(k.attempted) >= fetchInterval {
		// Others wait for the outcome: it must not end with the request that happened to be first.
		if err := k.fetch(context.WithoutCancel(ctx)); err != nil {
			k.log.WarnContext(ctx, "Entra's keys could not be fetched", "error", err, "have_keys", true)
		}
	}
	known = k.current.Load()
	key, found := known.keys[id]
	switch {
	case found:
		return known, key, nil
	case k.failure != nil:
		return nil, nil, unavailable("kid %s is unknown, and the last fetch of keys failed: %v", clip(id), k.failure)
	}
	return nil, nil, invalidToken("The token is signed with a key that does not belong to this server's tenant.",
		"kid is %s, known are %q", clip(id), slices.Sorted(maps.Keys(known.keys)))
}

// fetch replaces what is trusted. The caller holds the turn.
func (k *keyring) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	next, err := k.load(ctx)
	k.attempted, k.failure = time.Now(), err
	if err != nil {
		return err
	}
	if before := k.current.Load(); before != nil && before.outlives(next) {
		next.verified = before.verified
	}
	k.current.Store(next)
	return nil
}

// load asks for both discovery documents, since the server app decides which kind of token clients get.
func (k *keyring) load(ctx context.Context) (*trust, error) {
	next := &trust{keys: map[string]*rsa.PublicKey{}, verified: newCache()}
	for _, version := range []string{"", "/v2.0"} {
		// Not oidc.NewProvider: it reads answers of any length, and expects v1's issuer to be v1's address.
		var document oidc.ProviderConfig
		address := k.authority + "/" + k.tenant + version + "/.well-known/openid-configuration"
		if err := k.get(ctx, address, &document); err != nil {
			return nil, err
		}
		if !strings.Contains(document.IssuerURL, k.tenant) {
			return nil, fmt.Errorf("%s: the issuer is %q, not one of the tenant", address, document.IssuerURL)
		}
		if strings.HasPrefix(k.authority, "https:") && !strings.HasPrefix(document.JWKSURL, "https:") {
			return nil, fmt.Errorf("%s: the keys are at %q, not under https", address, document.JWKSURL)
		}
		var set jose.JSONWebKeySet
		if err := k.get(ctx, document.JWKSURL, &set); err != nil {
			return nil, err
		}
		next.issuers = append(next.issuers, document.IssuerURL)
		next.add(set)
	}
	if len(next.keys) == 0 {
		return nil, errors.New("the authority published no RSA signing key")
	}
	return next, nil
}

func (t *trust) add(set jose.JSONWebKeySet) {
	for _, key := range set.Keys {
		public, ok := key.Key.(*rsa.PublicKey)
		if ok && key.KeyID != "" && (key.Use == "" || key.Use == "sig") && public.N.BitLen() >= 2048 {
			t.keys[key.KeyID] = public
		}
	}
}

func (k *keyring) get(ctx context.Context, address string, into any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, response.Status)
	}
	const longest = 1 << 20
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}
