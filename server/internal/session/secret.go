package session

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/redis/rueidis"
)

// Secret returns the 32 random bytes that all replicas share, made by whoever
// asks first. Asking extends their lifetime.
func (s *Store) Secret(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails: see crypto/rand
	answers := s.client.DoMulti(ctx,
		s.client.B().Set().Key(secretKey).Value(rueidis.BinaryString(fresh)).Nx().Px(secretKept).Build(),
		s.client.B().Pexpire().Key(secretKey).Milliseconds(secretKept.Milliseconds()).Build(),
		s.client.B().Get().Key(secretKey).Build())
	if err := answers[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return nil, fmt.Errorf("session: make secret: %w", err)
	}
	secret, err := answers[2].AsBytes()
	if err != nil {
		return nil, fmt.Errorf("session: read secret: %w", err)
	}
	return secret, nil
}
