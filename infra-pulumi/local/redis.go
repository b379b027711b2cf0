package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// The kinds of Redis, as --redis names them.
const (
	redisAuto     = "auto"
	redisServer   = "server"
	redisEmbedded = "embedded"
)

const redisPatience = 15 * time.Second

// redis is what stands in for Azure's: one for all replicas, with TLS and a
// key, on a free port of loopback.
type redis struct {
	what string // for people
	host string
	port int
	key  string
	log  *output
	// ended is closed once it has ended.
	ended <-chan struct{}
	stop  func()
}

// failure is an error with the log that explains it.
func (r *redis) failure(err error) error {
	return fmt.Errorf("%w\n  %s\n  To go without redis-server: --redis %s", err, r.log, redisEmbedded)
}

// startRedis starts redis-server, or an embedded one where that is missing.
func startRedis(ctx context.Context, kind string, ca *authority) (*redis, error) {
	program, err := exec.LookPath("redis-server")
	switch {
	case kind == redisServer && err != nil:
		return nil, fmt.Errorf("redis-server was asked for and is not to be found: %w; install it, or use --redis %s", err, redisEmbedded)
	case kind == redisEmbedded, err != nil:
		return embedRedis(ca)
	default:
		return runRedis(ctx, program, ca)
	}
}

// embedRedis serves an imitation of Redis from this process.
func embedRedis(ca *authority) (*redis, error) {
	config, err := ca.server()
	if err != nil {
		return nil, err
	}
	key := rand.Text()
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true) // else keys would only expire when told to
	server.RequireAuth(key)
	server.RequireUserAuth("default", key)
	if err := server.StartTLS(config); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	port, err := strconv.Atoi(server.Port())
	if err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	return &redis{what: "embedded Redis (redis-server is not used)", host: server.Host(), port: port, key: key, stop: server.Close}, nil
}

// runRedis starts redis-server. What it reads lies in a folder that only this
// user can open, and only until it is up: nothing is left if all is killed.
func runRedis(ctx context.Context, program string, ca *authority) (_ *redis, err error) {
	folder, err := os.MkdirTemp("", "prynai-mcp-redis-")
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	r := &redis{what: "redis-server", host: "127.0.0.1", key: rand.Text(), log: new(output)}
	if r.port, err = freePort(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	settings, err := r.settings(folder, ca)
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}

	command := exec.Command(program, settings)
	command.Stdout, command.Stderr = r.log, r.log
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // its log says more than its exit code
	}()
	r.ended = ended
	r.stop = func() { // it keeps nothing, so there is nothing to save
		_ = command.Process.Kill()
		<-ended
	}
	if err := r.await(ctx, ca.client()); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// settings writes redis-server's configuration and what that names. A file, for
// the command line is for everyone to see.
func (r *redis) settings(folder string, ca *authority) (path string, err error) {
	certificate, key, err := ca.issue()
	if err != nil {
		return "", err
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	config := fmt.Sprintf(`bind %s
port 0
tls-port %d
tls-cert-file %q
tls-key-file %q
tls-ca-cert-file %q
tls-auth-clients no
requirepass %s
save ""
appendonly no
daemonize no
dir %q
`, r.host, r.port, in("cert.pem"), in("key.pem"), in("ca.pem"), r.key, folder)
	for name, content := range map[string]string{
		"cert.pem": certificate, "key.pem": key, "ca.pem": ca.pem, "redis.conf": config,
	} {
		if err := os.WriteFile(in(name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return in("redis.conf"), nil
}

// await waits until Redis answers.
func (r *redis) await(ctx context.Context, config *tls.Config) error {
	limited, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	for {
		err := r.ping(limited, config)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limited.Done():
			return r.failure(fmt.Errorf("redis-server does not answer: %w", err))
		case <-r.ended:
			return r.failure(errors.New("redis-server does not start"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ping asks it, over TLS and with the key.
func (r *redis) ping(ctx context.Context, config *tls.Config) error {
	address := net.JoinHostPort(r.host, strconv.Itoa(r.port))
	connection, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	deadline, _ := ctx.Deadline()
	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n", len(r.key), r.key); err != nil {
		return err
	}
	lines := bufio.NewReader(connection)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(line); got != want {
			return fmt.Errorf("it answers %q, want %q", got, want)
		}
	}
	return nil
}

// freePort is a port of loopback that was free a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
