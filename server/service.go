package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"
	"github.com/redis/rueidis"

	"github.com/prynai/prynai-mcp/server/internal/auth"
	"github.com/prynai/prynai-mcp/server/internal/config"
	"github.com/prynai/prynai-mcp/server/internal/counter"
	"github.com/prynai/prynai-mcp/server/internal/edge"
	"github.com/prynai/prynai-mcp/server/internal/health"
	"github.com/prynai/prynai-mcp/server/internal/logging"
	"github.com/prynai/prynai-mcp/server/internal/mcphttp"
	"github.com/prynai/prynai-mcp/server/internal/ratelimit"
	"github.com/prynai/prynai-mcp/server/internal/rawconn"
	"github.com/prynai/prynai-mcp/server/internal/redis"
	"github.com/prynai/prynai-mcp/server/internal/session"
	"github.com/prynai/prynai-mcp/server/internal/telemetry"
	"github.com/prynai/prynai-mcp/server/surface"
)

// leaveFor is how long a replica that shuts down goes on taking requests: the
// balancer needs that time to see that it is not ready any more.
const leaveFor = 5 * time.Second

// mcpSurface is what clients see of a replica: tools, resources and prompts.
type mcpSurface interface {
	// Engine is the server that the transport hands requests to.
	Engine() *server.MCPServer
	// Register adds everything to it. It is called once, before any request.
	Register(surface.Dependencies)
	// Access is what a caller of the tool needs.
	Access(tool string) auth.Requirement
	// Computes reports whether the tool neither waits nor sends anything.
	Computes(tool string) bool
}

// service is a replica: what main wires together.
type service struct {
	config   config.Config
	log      *slog.Logger
	closeLog func()
	redis    *redis.Client
	embedded *redis.Embedded // nil where a real one is used
	sessions *session.Store
	mcp      *mcphttp.Handler
	verifier *auth.Verifier     // nil with AUTH_REQUIRED=false
	limiter  *ratelimit.Limiter // nil with it, too: everyone is the same principal then
	health   *health.State

	telemetry *telemetry.Telemetry // nil without a collector
	commands  rueidis.Client       // redis, as the telemetry sees it
}

func newService(c config.Config, stdout io.Writer, served mcpSurface) *service {
	log := logging.New(stdout, c.LogLevel, slog.String("env", c.Environment), slog.String("build", c.Build))
	s := &service{config: c, log: log.Logger, closeLog: log.Close}
	s.openTelemetry()
	s.openRedis()
	s.health = health.New(s.redis.Health)
	s.sessions = session.Open(session.Options{Client: s.commands, Logger: s.log, Idle: c.SessionIdle})
	s.health.Require("replicas", s.sessions.Joined)
	s.openAuth()
	s.mcp = mcphttp.New(mcphttp.Options{
		Server:    served.Engine(),
		Sessions:  s.sessions,
		Principal: auth.ID,
		Access:    access{s.verifier, served},
		Audit:     s.auditTool,
		Computes:  served.Computes,
		OpenLimit: s.openLimit(),
		Logger:    s.log,
		Telemetry: s.telemetry,
	})
	served.Register(surface.Dependencies{Counter: counter.New(s.commands), Updates: s.mcp, Logger: s.log})
	s.openGauges()
	return s
}

// openTelemetry comes first, for it sees what the rest does. Without it the
// server serves all the same.
func (s *service) openTelemetry() {
	headers := map[string]string{}
	for name, value := range s.config.TelemetryHeaders {
		headers[name] = value.Reveal()
	}
	var err error
	s.telemetry, err = telemetry.Open(telemetry.Options{
		Endpoint:    s.config.TelemetryEndpoint,
		Headers:     headers,
		TLSRoots:    s.config.RootCAs(),
		Share:       s.config.TraceShare,
		Environment: s.config.Environment,
		Build:       s.config.Build,
		Log:         s.log,
	})
	if err != nil {
		s.log.Error("there is no telemetry", "error", err)
	}
	s.log = slog.New(s.telemetry.Logs(s.log.Handler()))
}

// openGauges measures what is there, not what happens.
func (s *service) openGauges() {
	s.telemetry.Gauge("prynai.sessions.active", "Sessions that this replica has served within their idle time.", s.sessions.Active)
	s.telemetry.Gauge("prynai.redis.up", "1 while Redis answers, else 0.", func() int64 {
		if s.redis.Health() != nil {
			return 0
		}
		return 1
	})
}

// openAuth makes the verifier, without whose keys the replica is not ready.
func (s *service) openAuth() {
	if !s.config.AuthRequired {
		s.log.Warn("AUTH_REQUIRED is false: whoever reaches this loopback address may do everything")
		return
	}
	s.verifier = auth.New(s.config, nil, s.log)
	s.limiter = ratelimit.New(s.commands, ratelimit.Limit{
		PerSecond: s.config.RateLimit,
		Burst:     5 * s.config.RateLimit,
		Block:     max(1, s.config.RateLimit/10),
	})
	s.health.Require("entra keys", func() error {
		if !s.verifier.Ready() {
			return errors.New("keys are not loaded")
		}
		return nil
	})
}

// limitRate is per principal, over all replicas.
func (s *service) limitRate(next http.Handler) http.Handler {
	if s.limiter == nil {
		return next
	}
	return s.limiter.Middleware(func(r *http.Request) string { return auth.ID(r.Context()) })(next)
}

// access decides who may call which tool by what the surface says of it. With
// AUTH_REQUIRED=false everyone may, and nobody is there to deny.
type access struct {
	*auth.Verifier
	surface mcpSurface
}

func (a access) Authorize(ctx context.Context, tool string) error {
	return a.surface.Access(tool).Authorize(ctx)
}

// openLimit is none where everyone is the same principal.
func (s *service) openLimit() int {
	if s.verifier == nil {
		return 0
	}
	return s.config.StreamLimit
}

// auditTool writes who called which tool and what came of it.
func (s *service) auditTool(ctx context.Context, call mcphttp.ToolCall) {
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "tool call", 0) // its place in the source says nothing
	line.AddAttrs(
		slog.Attr{Key: "principal", Value: auth.FromContext(ctx).LogValue()},
		slog.String("tool", call.Tool),
		slog.String("outcome", string(call.Outcome)),
		slog.Float64("duration_ms", float64(call.Duration.Microseconds())/1000))
	if s.log.Enabled(ctx, line.Level) {
		_ = s.log.Handler().Handle(ctx, line) // as the logger's own methods do
	}
}

func (s *service) openRedis() {
	defer func() { s.commands = s.telemetry.Redis(s.redis) }()
	if s.config.EmbeddedRedis() {
		s.embedded = redis.NewEmbedded()
		s.redis = s.embedded.Client()
		s.log.Warn("REDIS_URL is not set: an embedded Redis keeps the sessions, in this process and only as long as it runs")
		return
	}
	s.redis = redis.Open(redis.Options{
		Address:  s.config.Redis.Address,
		Username: s.config.Redis.Username,
		Password: s.config.Redis.Password.Reveal(),
		Database: s.config.Redis.Database,
		TLS:      s.config.Redis.TLS,
		TLSRoots: s.config.RootCAs(),
		Logger:   s.log,
	})
}

// run serves until ctx ends, then drains.
func (s *service) run(ctx context.Context, listener net.Listener) error {
	defer s.close()
	defer func() { _ = listener.Close() }() // a second time, where it was served
	handler, err := s.routes()
	if err != nil {
		return err
	}
	// Requests outlive ctx: they are drained.
	httpServer := edge.NewServer(context.WithoutCancel(ctx), handler, s.log)
	stopBackground := s.background(context.WithoutCancel(ctx))
	defer stopBackground()

	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(rawconn.Listen(listener)) }()
	s.log.Info("listening", "address", listener.Addr().String(), "url", s.config.ResourceURL(), "replica", s.sessions.Replica(), "secrets_version", s.config.SecretsVersion)
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.drain(httpServer)
}

// background runs what a replica does beside serving; the answer ends it.
func (s *service) background(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.sessions.Run(ctx, s.mcp) })
	if s.verifier != nil {
		running.Go(func() { s.verifier.Run(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// drain ends the replica so that its clients notice nothing: first the balancer
// learns of it, then streams that wait for events move on, then running calls
// get the time that is left.
func (s *service) drain(httpServer *http.Server) error {
	s.log.Info("draining")
	s.health.Drain()
	if s.embedded == nil { // else there is no other replica and no balancer
		time.Sleep(leaveFor)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownGrace)
	defer cancel()
	s.mcp.EndStreams()
	stopped := make(chan error, 1)
	go func() { stopped <- httpServer.Shutdown(context.WithoutCancel(ctx)) }()
	s.mcp.Finish(ctx)
	select {
	case err := <-stopped:
		s.log.Info("drained")
		return err
	case <-time.After(leaveFor):
		s.log.Warn("clients that did not take their answers are cut off")
		return httpServer.Close()
	}
}

func (s *service) close() {
	if s.limiter != nil {
		s.limiter.Close()
	}
	s.redis.Close()
	if s.embedded != nil {
		s.embedded.Close()
	}
	s.telemetry.Close()
	s.closeLog()
}
