package redis

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, o Options) *Client {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	client := Open(o)
	t.Cleanup(client.Close)
	return client
}

// within polls until the condition holds.
func within(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	start := time.Now()
	for !condition() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
}

func (c *Client) healthy() bool { return c.Health() == nil }

func set(ctx context.Context, c *Client, key, value string) error {
	return c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error()
}

func get(ctx context.Context, c *Client, key string) (string, error) {
	return c.Do(ctx, c.B().Get().Key(key).Build()).ToString()
}

func TestOpenWithoutServer(t *testing.T) {
	server := redistest.StartAway(t)
	client := open(t, Options{Address: server.Addr})

	start := time.Now()
	if err := set(t.Context(), client, "k", "v"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("a command before the first contact took %v", d)
	}
	if client.Health() == nil {
		t.Error("healthy without a server")
	}
	server.Restart()
	within(t, 5*time.Second, "first contact", client.healthy)
	if err := set(t.Context(), client, "k", "v"); err != nil {
		t.Fatal(err)
	}
}

func TestPausedServer(t *testing.T) {
	server := redistest.Start(t)
	client := open(t, Options{Address: server.Addr})
	within(t, 5*time.Second, "first contact", client.healthy)
	if err := set(t.Context(), client, "k", "v"); err != nil {
		t.Fatal(err)
	}

	server.Pause()
	// The first callers meet live connections gone silent, the second ones
	// dial a server that accepts and says nothing.
	for round := range 2 {
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				ctx, cancel := context.WithCancel(t.Context()) // as a request's: no deadline, but an end
				defer cancel()
				start := time.Now()
				_, err := get(ctx, client, "k")
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("round %d: got %v, want ErrUnavailable", round, err)
				}
				if d := time.Since(start); d > 2*time.Second {
					t.Errorf("round %d: noticed after %v, want under 2s", round, d)
				}
			})
		}
		callers.Wait()
	}
	within(t, 3*time.Second, "unhealthy", func() bool { return !client.healthy() })

	server.Resume()
	within(t, 2*time.Second, "usable again", func() bool {
		v, err := get(t.Context(), client, "k")
		return err == nil && v == "v"
	})
	within(t, 2*time.Second, "healthy again", client.healthy)
}

func TestRestartedServer(t *testing.T) {
	server := redistest.Start(t)
	client := open(t, Options{Address: server.Addr})
	within(t, 5*time.Second, "first contact", client.healthy)
	if err := set(t.Context(), client, "k", "v"); err != nil {
		t.Fatal(err)
	}

	// A restart between two reads is not noticed: the closed connection is replaced.
	server.Restart()
	if v, err := get(t.Context(), client, "k"); err != nil || v != "v" {
		t.Fatalf("after a restart: %q, %v", v, err)
	}
	server.Kill()
	if _, err := get(t.Context(), client, "k"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	within(t, 3*time.Second, "unhealthy", func() bool { return !client.healthy() })
	server.Restart()
	within(t, 2*time.Second, "usable again", func() bool {
		_, err := get(t.Context(), client, "k")
		return err == nil
	})
}

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "s3cret/%")
	wrong := open(t, Options{Address: server.Addr, Password: "wr0ng"})
	right := open(t, Options{Address: server.Addr, Username: "default", Password: "s3cret/%", Database: 3})
	within(t, 5*time.Second, "first contact", right.healthy)
	if err := set(t.Context(), right, "k", "v"); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "refusal", func() bool {
		return strings.Contains(wrong.Health().Error(), "WRONGPASS")
	})
	err := set(t.Context(), wrong, "k", "v")
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), "wr0ng") {
		t.Fatalf("the error shows the password: %v", err)
	}
}

// TestReceive runs on both kinds of server: messages arrive beside commands,
// and the receiver is told when the connection is lost.
func TestReceive(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		embedded := NewEmbedded()
		t.Cleanup(embedded.Close)
		client := embedded.Client()
		t.Cleanup(client.Close)
		testReceive(t, client)
	})
	t.Run("real", func(t *testing.T) {
		server := redistest.Start(t)
		lost := testReceive(t, open(t, Options{Address: server.Addr}))
		server.Kill()
		select {
		case err := <-lost:
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		case <-time.After(3 * time.Second):
			t.Error("the receiver was not told of the loss")
		}
	})
}

func testReceive(t *testing.T, client *Client) (lost <-chan error) {
	within(t, 5*time.Second, "first contact", client.healthy)
	messages, subscribed, end := make(chan string, 10), make(chan struct{}), make(chan error, 1)
	ctx := rueidis.WithOnSubscriptionHook(t.Context(), func(rueidis.PubSubSubscription) { close(subscribed) })
	go func() {
		end <- client.Receive(ctx, client.B().Subscribe().Channel("bus").Build(), func(m rueidis.PubSubMessage) {
			messages <- m.Message
		})
	}()
	<-subscribed
	for i := range 10 {
		if err := client.Do(t.Context(), client.B().Publish().Channel("bus").Message(strconv.Itoa(i)).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for range 10 {
		got = append(got, <-messages)
	}
	// In a cluster each message enters at any node, so their order is not kept.
	if client.Mode() == rueidis.ClientModeCluster {
		slices.Sort(got)
	}
	if text := strings.Join(got, ""); text != "0123456789" {
		t.Fatalf("received %s", text)
	}
	return end
}

func TestEmbedded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		embedded := NewEmbedded()
		defer embedded.Close()
		one, two := embedded.Client(), embedded.Client()
		defer one.Close()
		defer two.Close()
		synctest.Wait()

		ctx := t.Context()
		if err := one.Do(ctx, one.B().Set().Key("k").Value("v").Ex(time.Minute).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if v, err := get(ctx, two, "k"); err != nil || v != "v" {
			t.Fatalf("before its end: %q, %v", v, err)
		}
		time.Sleep(2 * time.Second)
		if _, err := get(ctx, two, "k"); !rueidis.IsRedisNil(err) {
			t.Fatalf("a key outlived its time: %v", err)
		}
	})
}

// TestEmbeddedPipeline sends more than any buffer on the way holds.
func TestEmbeddedPipeline(t *testing.T) {
	embedded := NewEmbedded()
	defer embedded.Close()
	client := embedded.Client()
	defer client.Close()
	within(t, 5*time.Second, "first contact", client.healthy)

	value := strings.Repeat("x", 100<<10)
	commands := make([]rueidis.Completed, 20)
	for i := range commands {
		if i%2 == 0 {
			commands[i] = client.B().Set().Key("{big}").Value(value).Build()
		} else {
			commands[i] = client.B().Get().Key("{big}").Build()
		}
	}
	for _, result := range client.DoMulti(t.Context(), commands...) {
		if err := result.Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeysOfOneCommandShareASlot(t *testing.T) {
	embedded := NewEmbedded()
	defer embedded.Close()
	client := embedded.Client()
	defer client.Close()
	defer func() {
		if recover() == nil {
			t.Error("a command on two slots was built")
		}
	}()
	client.B().Del().Key("{a}", "{b}").Build()
}

func TestPassingReplies(t *testing.T) {
	for reply, want := range map[string]bool{
		"LOADING Redis is loading the dataset in memory":          true,
		"OOM command not allowed when used memory > 'maxmemory'.": true,
		"READONLY You can't write against a read only replica.":   true,
		"WRONGTYPE Operation against a key":                       false,
		"ERR unknown command":                                     false,
		"":                                                        false,
	} {
		if got := passing(reply); got != want {
			t.Errorf("%s: got %v", reply, got)
		}
	}
}

func TestErrorsOfReplies(t *testing.T) {
	server := redistest.Embedded(t)
	client := open(t, Options{Address: server.Addr()})
	within(t, 5*time.Second, "first contact", client.healthy)

	if err := set(t.Context(), client, "k", "v"); err != nil {
		t.Fatal(err)
	}
	err := client.Do(t.Context(), client.B().Lpush().Key("k").Element("v").Build()).Error()
	if _, ok := rueidis.IsRedisErr(err); !ok || errors.Is(err, ErrUnavailable) {
		t.Errorf("a fault of the command got %v", err)
	}
	if _, err := get(t.Context(), client, "nothing"); !rueidis.IsRedisNil(err) {
		t.Errorf("a missing key got %v", err)
	}
	server.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := get(t.Context(), client, "k"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a loading server got %v", err)
	}
	server.SetError("")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(ctx, client, "k"); errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left got %v, want its own cancellation", err)
	}
}

// Whoever took the connections just before the first contact gets an error.
func TestContactMadeMeanwhile(t *testing.T) {
	c := &Client{}
	c.health.Store(&health{})
	before := c.disconnected()
	defer before.close()
	conn, release := before.commands.Dedicate()
	defer release()
	if err := conn.Do(t.Context(), conn.B().Ping().Build()).Error(); !errors.Is(err, errNotYet) {
		t.Errorf("err = %v", err)
	}
}
