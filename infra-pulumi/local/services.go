package main

import (
	"context"
	"errors"
)

// services stand in for Azure's.
type services struct {
	ca       *authority
	registry *imageRegistry
	redis    *redis
	entra    *entra
}

// startServices starts all of them, or none.
func startServices(ctx context.Context, redisKind string) (s *services, err error) {
	s = new(services)
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.ca, err = newAuthority(); err != nil {
		return s, err
	}
	if s.registry, err = startRegistry(); err != nil {
		return s, err
	}
	if s.entra, err = startEntra(s.ca); err != nil {
		return s, err
	}
	s.redis, err = startRedis(ctx, redisKind, s.ca)
	return s, err
}

// failed is closed once a service that must not end has ended; failure says more.
func (s *services) failed() <-chan struct{} { return s.redis.ended }

func (s *services) failure() error {
	return s.redis.failure(errors.New("redis-server ended by itself"))
}

func (s *services) stop() {
	if s.redis != nil {
		s.redis.stop()
	}
	if s.entra != nil {
		s.entra.stop()
	}
	if s.registry != nil {
		s.registry.stop()
	}
}
