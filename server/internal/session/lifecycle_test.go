package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

func testCreate(t *testing.T, b *backend) {
	one, other := b.pair(t)
	made, err := one.Create(t.Context(), Record{
		Principal: "someone", Protocol: "2025-06-18", Level: "warning",
		Client: mcp.Implementation{Name: "client", Version: "1"},
		Capabilities: mcp.ClientCapabilities{Roots: &struct {
			ListChanged bool `json:"listChanged,omitempty"`
		}{true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := other.Load(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if found.Principal != "someone" || found.Protocol != "2025-06-18" || found.Level != "warning" ||
		found.Client.Name != "client" || found.Capabilities.Roots == nil || found.Capabilities.Sampling != nil {
		t.Errorf("found %+v", found)
	}
	if again, _ := other.Load(t.Context(), made.ID); again != found {
		t.Error("a known session was fetched again")
	}
	for _, id := range []string{"", "UNKNOWN", "a:b", "{x}", "x}", strings.Repeat("a", 65), "ü"} {
		_, err := other.Load(t.Context(), id)
		want(t, "session "+id, err, ErrNotFound)
	}
}

func testLimits(t *testing.T, b *backend) {
	limits := DefaultLimits
	limits.SessionsPerPrincipal, limits.Subscriptions = 2, 2
	one := b.open(t, limits)
	first := one.create(t)
	one.create(t)
	_, err := one.Create(t.Context(), Record{Principal: first.Principal})
	want(t, "a third session", err, ErrTooManySessions)
	if _, err := one.Create(t.Context(), Record{Principal: "another " + first.Principal}); err != nil {
		t.Errorf("another principal's session: %v", err)
	}
	want(t, "delete", one.Delete(t.Context(), first), nil)
	second := one.create(t) // its place is free again

	for _, uri := range []string{"a", "b", "a"} {
		want(t, "subscribe to "+uri, one.Subscribe(t.Context(), second.ID, uri), nil)
	}
	want(t, "a third subscription", one.Subscribe(t.Context(), second.ID, "c"), ErrTooManySubscriptions)
}

// testRecords reads what an adjacent release has written.
func testRecords(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	for name, fields := range map[string][]string{
		"newer": {"principal", "p", "protocol", "2025-11-25", "client", `{"name":"c","from":"the future"}`,
			"capabilities", `{"sampling":{"tools":{}},"telepathy":{}}`, "level", "error", "sub:x", "1", "colour", "blue"},
		"older": {"principal", "p"},
	} {
		id := strings.ToUpper(name) + "RECORD"
		set := b.client.B().Hset().Key(keys(id).record()).FieldValue()
		for pair := range slices.Chunk(fields, 2) {
			set = set.FieldValue(pair[0], pair[1])
		}
		if err := b.client.Do(t.Context(), set.Build()).Error(); err != nil {
			t.Fatal(err)
		}
		record, err := one.Load(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if record.Principal != "p" {
			t.Errorf("%s: %+v", name, record)
		}
		if name == "newer" {
			if record.Capabilities.Sampling == nil || record.Client.Name != "c" || len(record.Subscribed) != 1 {
				t.Errorf("newer: %+v", record)
			}
			want(t, "change", one.SetLevel(t.Context(), id, "debug"), nil)
			if v, err := b.client.Do(t.Context(), b.client.B().Hget().Key(keys(id).record()).Field("colour").Build()).ToString(); v != "blue" {
				t.Errorf("an unknown field is now %q, %v", v, err)
			}
		}
	}
}

func testLevel(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record := one.create(t)
	if _, err := other.Load(t.Context(), record.ID); err != nil {
		t.Fatal(err)
	}
	for _, level := range []mcp.LoggingLevel{"debug", "error", "info"} {
		want(t, "set level", one.SetLevel(t.Context(), record.ID, level), nil)
		if r, err := other.Load(t.Context(), record.ID); err != nil || r.Level != level {
			t.Errorf("after the change to %s the other replica has %+v, %v", level, r, err)
		}
	}
	want(t, "an unknown session's level", one.SetLevel(t.Context(), "UNKNOWN", "info"), ErrNotFound)
}

func testSubscriptions(t *testing.T, b *backend) {
	one, other := b.pair(t)
	subscriber, stranger := one.create(t), one.create(t)
	want(t, "subscribe", one.Subscribe(t.Context(), subscriber.ID, "prynai://x"), nil)
	want(t, "an unknown session's subscription", one.Subscribe(t.Context(), "UNKNOWN", "prynai://x"), ErrNotFound)
	want(t, "update", other.ResourceUpdated(t.Context(), "prynai://x", []byte("changed")), nil)
	eventually(t, "update on the bus", func() bool { return one.heard.has("updated prynai://x") })
	want(t, "update of another", other.ResourceUpdated(t.Context(), "prynai://y", []byte("other")), nil)

	// Who was away gets it on any replica; others hear nothing.
	get, err := other.OpenGet(t.Context(), subscriber.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer get.Close(t.Context())
	equal(t, "subscriber", read(t, 1, get), "1:changed")
	quiet, err := other.OpenGet(t.Context(), stranger.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close(t.Context())
	if events, err := quiet.Read(t.Context()); len(events) > 0 || err != nil {
		t.Errorf("a stranger got %v, %v", events, err)
	}

	want(t, "unsubscribe", other.Unsubscribe(t.Context(), subscriber.ID, "prynai://x"), nil)
	want(t, "update", one.ResourceUpdated(t.Context(), "prynai://x", []byte("changed again")), nil)
	want(t, "a notification for the session", one.Notify(t.Context(), subscriber.ID, []byte("for you")), nil)
	equal(t, "after unsubscribing", read(t, 1, get), "2:for you")
}

func testDelete(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record := one.create(t)
	if _, err := other.Load(t.Context(), record.ID); err != nil {
		t.Fatal(err)
	}
	want(t, "delete", one.Delete(t.Context(), record), nil)
	for name, r := range map[string]*replica{"one": one, "other": other} {
		_, err := r.Load(t.Context(), record.ID)
		want(t, name+" after the end", err, ErrNotFound)
	}
	if !other.heard.has("ended " + record.ID) {
		t.Error("the other replica was not told before Delete returned")
	}
	want(t, "second delete", other.Delete(t.Context(), record), ErrNotFound)
}

func testDeleteRevivesNothing(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record := one.create(t)
	ctx := t.Context()
	want(t, "subscribe", one.Subscribe(ctx, record.ID, "u"), nil)
	record, err := one.Load(ctx, record.ID)
	if err != nil {
		t.Fatal(err)
	}
	stream, second := one.stream(t, record.ID), one.stream(t, record.ID)
	want(t, "append", stream.Append(ctx, []byte("a")), nil)
	want(t, "notify", one.Notify(ctx, record.ID, []byte("n")), nil)
	get, err := one.OpenGet(ctx, record.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "delete", one.Delete(ctx, record), nil)

	want(t, "append", stream.Append(ctx, []byte("b")), ErrNotFound)
	want(t, "finish", stream.Finish(ctx, []byte("b")), ErrNotFound)
	want(t, "keep", stream.Keep(ctx), nil)
	want(t, "a new stream", second.Append(ctx, []byte("b")), ErrNotFound)
	question := one.NewQuestion(record.ID, time.Minute)
	want(t, "a question", stream.Ask(ctx, question, []byte("q")), ErrNotFound)
	question.Close(ctx)
	want(t, "touch", one.touch(ctx, record), ErrNotFound)
	want(t, "level", one.SetLevel(ctx, record.ID, "info"), ErrNotFound)
	want(t, "subscribe", one.Subscribe(ctx, record.ID, "u"), ErrNotFound)
	want(t, "update", one.ResourceUpdated(ctx, "u", []byte("n")), nil)
	want(t, "notify", one.Notify(ctx, record.ID, []byte("n")), nil)
	want(t, "delivered", get.Delivered(ctx), nil)
	_, err = get.Read(ctx)
	want(t, "read", err, ErrNotFound)
	get.Close(ctx)
	_, err = one.OpenGet(ctx, record.ID, nil)
	want(t, "open get", err, ErrNotFound)
	if left := b.keysOf(t, record.ID); len(left) > 0 {
		t.Errorf("keys of an ended session: %q", left)
	}
}

// testLifetimes checks that every key of a session has one.
func testLifetimes(t *testing.T, b *backend) {
	one := b.open(t, Limits{})
	record := one.create(t)
	ctx := t.Context()
	open, done := one.stream(t, record.ID), one.stream(t, record.ID)
	question := one.NewQuestion(record.ID, time.Minute)
	get, err := one.OpenGet(ctx, record.ID, nil)
	_, secretErr := one.Secret(ctx)
	if err := errors.Join(err, secretErr, open.Append(ctx, []byte("a")), open.Ask(ctx, question, []byte("q")),
		done.Append(ctx, []byte("a")), done.Finish(ctx, []byte("a")),
		one.Notify(ctx, record.ID, []byte("n")), one.Subscribe(ctx, record.ID, "lifetimes"), get.Delivered(ctx)); err != nil {
		t.Fatal(err)
	}
	keys := append(b.keysOf(t, record.ID), principalKey(record.Principal), subscribersKey("lifetimes"), secretKey)
	if len(keys) != 11 {
		t.Errorf("keys: %q, want 8 of the session and 3 more", keys)
	}
	for _, key := range keys {
		if ttl, err := b.client.Do(ctx, b.client.B().Pttl().Key(key).Build()).AsInt64(); err != nil || ttl <= 0 {
			t.Errorf("%s lives for %d ms, %v", key, ttl, err)
		}
	}
	want(t, "answer", one.Answer(ctx, record.ID, question.ID(), []byte(`{}`)), nil)
	if ttl, _ := b.client.Do(ctx, b.client.B().Pttl().Key("mcp:{"+record.ID+"}:q:"+question.ID()).Build()).AsInt64(); ttl <= 0 {
		t.Errorf("an answer lives for %d ms", ttl)
	}
	question.Close(ctx)
	get.Close(ctx)
}

func testSecret(t *testing.T, b *backend) {
	one, other := b.open(t, Limits{}), b.open(t, Limits{})
	a, err := one.Secret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := other.Secret(t.Context())
	if err != nil || string(a) != string(c) || len(a) != 32 {
		t.Errorf("two replicas have secrets of %d and %d bytes, equal: %v, %v", len(a), len(c), string(a) == string(c), err)
	}
}

// testCoherence has two replicas change and read one record by turns: a change
// that was acknowledged is seen everywhere.
func testCoherence(t *testing.T, b *backend) {
	one, other := b.pair(t)
	record := one.create(t)
	for i := range 40 {
		writer, reader := one, other
		if i%2 == 1 {
			writer, reader = other, one
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // fetches that overlap the change must not outlive it
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					reader.cache.remove(record.ID)
					_, _ = reader.Load(t.Context(), record.ID)
				}
			}
		}()
		level := mcp.LoggingLevel(fmt.Sprint("level", i))
		want(t, "change", writer.SetLevel(t.Context(), record.ID, level), nil)
		close(stop)
		<-stopped
		if r, err := reader.Load(t.Context(), record.ID); err != nil || r.Level != level {
			t.Fatalf("change %d: got %+v, %v", i, r, err)
		}
	}
}
