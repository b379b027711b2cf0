package mcphttp

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Request state is what a handler of the stateless revision hands to the client
// to get it back with the next round. Sealed, the client can neither read nor
// change it, nor use it for another request: it is bound to the principal, the
// method and the parameters, and expires. A client may well repeat it within
// its time: each round runs the handler from the top.

const (
	sealPrefix   = "1."
	sealedFor    = 10 * time.Minute
	longestState = 64 << 10
	// secretFor is how long a replica goes by the shared key before it asks
	// for it again, which also extends the key's lifetime.
	secretFor = time.Hour
)

var errState = errors.New("the request state is not valid for this request, or has expired")

// secretStore has the key that all replicas share.
type secretStore interface {
	Secret(context.Context) ([]byte, error)
}

// sealer seals and opens request states. It is safe for concurrent use.
type sealer struct {
	store secretStore

	mu      sync.Mutex
	aead    cipher.AEAD
	fetched time.Time
}

type sealedState struct {
	Expires int64  `json:"expires"` // Unix seconds
	State   string `json:"state"`
}

func (s *sealer) seal(ctx context.Context, state string, binding []byte) (string, error) {
	aead, err := s.key(ctx)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(sealedState{Expires: time.Now().Add(sealedFor).Unix(), State: state})
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: see crypto/rand
	return sealPrefix + base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, binding)), nil
}

// open returns errState for whatever was not sealed for this binding, or too
// long ago.
func (s *sealer) open(ctx context.Context, sealed string, binding []byte) (string, error) {
	text, ok := strings.CutPrefix(sealed, sealPrefix)
	if !ok || len(sealed) > longestState || strings.ContainsAny(text, "\r\n") { // which base64 skips
		return "", errState
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", errState
	}
	aead, err := s.key(ctx)
	if err != nil {
		return "", err
	}
	if len(box) < aead.NonceSize() {
		return "", errState
	}
	plain, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], binding)
	if err != nil {
		return "", errState
	}
	var state sealedState
	if json.Unmarshal(plain, &state) != nil || time.Now().Unix() >= state.Expires {
		return "", errState
	}
	return state.State, nil
}

func (s *sealer) key(ctx context.Context) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aead != nil && time.Since(s.fetched) < secretFor {
		return s.aead, nil
	}
	secret, err := s.store.Secret(ctx)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	s.fetched = time.Now()
	return s.aead, nil
}

// stateBinding is what a sealed state is valid for.
func stateBinding(principal, method, name string, arguments any) ([]byte, error) {
	binding, err := json.Marshal([]any{principal, method, name, arguments})
	if err != nil {
		return nil, fmt.Errorf("bind request state: %w", err)
	}
	return binding, nil
}
