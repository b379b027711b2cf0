package main

import (
	"bytes"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/redis/redistest"
)

// No log may show a secret, nor a part of one that is of use. What the clients
// of these tests send as tokens is looked for in every log when its test ends.

// secrets are what a test has told a replica and its log must not repeat.
type secrets struct {
	mu  sync.Mutex
	all []string
}

func (s *secrets) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.all, text) {
		s.all = append(s.all, text)
	}
}

// part is as much of a secret as a log may show by accident.
const part = 24

// shown returns a part of a secret that a text shows.
func (s *secrets) shown(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.all {
		if len(secret) <= part {
			if strings.Contains(text, secret) {
				return secret
			}
			continue
		}
		for i := 0; i+part <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+part]) {
				return secret[i : i+part]
			}
		}
	}
	return ""
}

func TestSecretsAreFound(t *testing.T) {
	var s secrets
	s.add("password")
	s.add("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl")
	for text, want := range map[string]bool{
		"nothing of it": false, "redis://:password@host": true,
		"cause: eyJhbGciOiJSUzI1NiJ9 is": false, "cause: eyJhbGciOiJSUzI1NiJ9.eyJhdWQ": true, "In0.c2lnbmF0dXJl": false, "JhdWQiOiJ4In0.c2lnbmF0dXJl": true,
	} {
		if got := s.shown(text) != ""; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestNoSecretInALog has a replica, a process of its own that logs all it can,
// meet good and bad tokens, where they belong and where they do not, and lose
// its Redis and its tenant.
func TestNoSecretInALog(t *testing.T) {
	const password = "redis-Password-of-this-test"
	redis := redistest.Embedded(t)
	redis.RequireAuth(password)
	entra := entratest.Start(t, entratest.Options{})
	environment := []string{"REDIS_URL=redis://:" + password + "@" + redis.Addr(), "LOG_LEVEL=debug"}
	for name, value := range protected(entra) {
		environment = append(environment, name+"="+value)
	}
	r := startReplica(t, "product", environment...)
	l := &local{url: "http://" + r.Address, sent: &secrets{}}
	l.sent.add(password)
	l.sent.add(base64.StdEncoding.EncodeToString([]byte(password)))

	// Where the port was chosen by the system, the server knows its own address all the same.
	if got := l.do(t, request{}); !strings.Contains(got.header.Get("WWW-Authenticate"), `resource_metadata="`+l.url+"/") {
		t.Errorf("without a token: %v %v", got, got.header)
	}
	good := entra.Mint(entratest.Token{User: "u", Scopes: []string{"mcp.invoke"}})
	session := l.initialize(t, good, mcp.ProtocolVersion20251125)
	call := request{token: good, session: session, body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bump_counter","arguments":{}}}`}
	if got := l.do(t, call); got.status != http.StatusOK {
		t.Fatalf("call: %v", got)
	}
	parts := strings.Split(good, ".")
	stranger := entratest.New(entratest.Options{Authority: entra.Options().Authority})
	for name, token := range map[string]string{
		"truncated":       good[:len(good)-20],
		"no signature":    parts[0] + "." + parts[1] + ".",
		"payload alone":   parts[1],
		"four parts":      good + "." + parts[2],
		"not base64":      strings.ReplaceAll(good, "e", "é"),
		"stranger's":      stranger.Mint(entratest.Token{}),
		"expired":         entra.Mint(entratest.Token{Lifetime: -time.Hour}),
		"another tenant":  entra.Mint(entratest.Token{Claims: map[string]any{"tid": "x"}}),
		"another aud":     entra.Mint(entratest.Token{Claims: map[string]any{"aud": "api://x"}}),
		"without a role":  entra.Mint(entratest.Token{Claims: map[string]any{"roles": nil}}),
		"claims of kinds": entra.Mint(entratest.Token{Claims: map[string]any{"roles": 1}}),
		"too long":        good + strings.Repeat("A", 20<<10),
	} {
		bad := call
		bad.token = token
		if got := l.do(t, bad); got.status != http.StatusUnauthorized && got.status != http.StatusForbidden {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, misplaced := range map[string]request{
		"in the query":        {path: "/mcp?access_token=" + good, body: call.body},
		"in the query, too":   {path: "/mcp?x=" + good, token: good, session: session, body: call.body},
		"of another scheme":   {header: map[string]string{"Authorization": "Token " + good}},
		"twice":               {header: map[string]string{"Authorization": "Bearer " + good + ", Bearer " + good}},
		"as a cookie":         {header: map[string]string{"Cookie": "token=" + good}},
		"as a session":        {token: good, session: good, body: call.body},
		"as an event":         {method: "GET", token: good, session: session, header: map[string]string{"Last-Event-ID": good}},
		"as a version":        {token: good, session: session, version: good, body: call.body},
		"as a request id":     {token: good, session: session, header: map[string]string{"X-Request-Id": good}, body: call.body},
		"as an origin":        {token: good, session: session, header: map[string]string{"Origin": "https://" + good}, body: call.body},
		"as a host":           {token: good, path: "/livez", method: "GET", header: map[string]string{"Referer": good}},
		"as an argument":      {token: good, session: session, body: toolCall("2", good)},
		"as an argument, too": {token: good, session: session, body: `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"add","arguments":{"a":"` + good + `"}}}`},
		"as a method":         {token: good, session: session, body: `{"jsonrpc":"2.0","id":4,"method":"` + good + `"}`},
		"as the body":         {token: good, session: session, body: good},
		"as a state":          stateless(good, "tools/call", "add", `"name":"add","requestState":"`+good+`"`),
	} {
		if got := l.do(t, misplaced); got.status == 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	entra.SetAway(true)
	l.do(t, request{token: stranger.Mint(entratest.Token{User: "another key"})})
	redis.Close()
	eventually(t, "Redis is missed", func() bool { return strings.Contains(r.log.String(), "redis does not answer") })
	l.do(t, call)

	log := r.log.String()
	for _, said := range []string{`"msg":"denied"`, `"msg":"tool call"`, `"msg":"request"`} {
		if !strings.Contains(log, said) {
			t.Errorf("the log is not what is to be looked at, for it has no %s", said)
		}
	}
	if found := l.sent.shown(log); found != "" {
		t.Errorf("the log shows %q:\n%s", found, log)
	}
}

// What a server that cannot start says shows no secret either.
func TestNoSecretInAStartThatFails(t *testing.T) {
	const password = "redis-Password-of-this-test"
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	var s secrets
	s.add(password)
	s.add("privatekeyprivatekeyprivatekey")
	for _, environment := range []map[string]string{
		{"REDIS_URL": "redis://:" + password + "@a b", "LISTEN_ADDR": "0.0.0.0:8000"},
		{"REDIS_URL": password, "PUBLIC_URL": "https://x:" + password + "@example.com"},
		{"TLS_CA": "-----BEGIN PRIVATE KEY-----\nprivatekeyprivatekeyprivatekey\n-----END PRIVATE KEY-----"},
		{"AUTH_REQUIRED": "false", "LISTEN_ADDR": taken.Addr().String(), "REDIS_URL": "redis://:" + password + "@127.0.0.1:1"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), func(name string) string { return environment[name] }, &stdout, &stderr, product); code == 0 {
			t.Errorf("%v: started", environment)
		}
		if found := s.shown(stdout.String() + stderr.String()); found != "" {
			t.Errorf("shows %q:\n%s%s", found, &stdout, &stderr)
		}
	}
}
