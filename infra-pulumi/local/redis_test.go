package main

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func newCA(t *testing.T) *authority {
	t.Helper()
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// Both kinds want TLS by the run's authority, and the key.
func TestRedis(t *testing.T) {
	for _, kind := range []string{redisServer, redisEmbedded} {
		t.Run(kind, func(t *testing.T) {
			if kind == redisServer {
				needRedisServer(t)
			}
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			ca := newCA(t)
			r, err := startRedis(t.Context(), kind, ca)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), redisPatience)
			defer cancel()
			if err := r.ping(ctx, ca.client()); err != nil {
				t.Error(err)
			}
			if err := r.ping(ctx, newCA(t).client()); err == nil {
				t.Error("its certificate is good for another authority")
			}
			stranger := *r
			stranger.key = rand.Text()
			if err := stranger.ping(ctx, ca.client()); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
				t.Errorf("a wrong key: %v", err)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("it leaves files: %v %v", left, err)
			}
			r.stop()
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(r.host, strconv.Itoa(r.port)), time.Second); err == nil {
				_ = conn.Close()
				t.Error("it still listens after the end")
			}
		})
	}
}

func TestRedisServerFails(t *testing.T) {
	folder := t.TempDir()
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, executable("redis-server")), binary, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	t.Setenv(part, "redis")
	_, err = startRedis(t.Context(), redisAuto, newCA(t))
	if err == nil {
		t.Fatal("it starts")
	}
	for _, want := range []string{"redis-server does not start", "Bad directive", "--redis embedded"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestRedisServerIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := startRedis(t.Context(), redisServer, newCA(t)); err == nil || !strings.Contains(err.Error(), "--redis embedded") {
		t.Error(err)
	}
	r, err := startRedis(t.Context(), redisAuto, newCA(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.stop()
	if !strings.Contains(r.what, "embedded") {
		t.Error(r.what)
	}
}

func TestRedisServerEnds(t *testing.T) {
	needRedisServer(t)
	r, err := startRedis(t.Context(), redisServer, newCA(t))
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	select {
	case <-r.ended:
	default:
		t.Error("nobody is told")
	}
}

func needRedisServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const reason = "redis-server is not installed: this test did not run against a real Redis"
		if os.Getenv("CI") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
}
