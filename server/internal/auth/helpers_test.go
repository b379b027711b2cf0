package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prynai/prynai-mcp/server/entratest"
	"github.com/prynai/prynai-mcp/server/internal/config"
)

const (
	tenant      = entratest.DefaultTenant
	audience    = entratest.DefaultServerAppID
	identifier  = "api://" + audience
	publicURL   = "https://mcp.example.com"
	metadataURL = publicURL + "/.well-known/oauth-protected-resource/mcp"
)

// newEntra is a tenant that is reached without a network, so that it also works within synctest's bubbles.
func newEntra() *entratest.Entra {
	return entratest.New(entratest.Options{Authority: "https://login.example.com"})
}

// direct is a transport that calls the handler.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, r)
	return recorder.Result(), r.Context().Err()
}

// records is where the verifier's log goes.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *records) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *records) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newVerifier makes one that has no keys yet. Changes are variables, "NAME=value".
func newVerifier(t testing.TB, authority http.Handler, changes ...string) (*Verifier, *records) {
	t.Helper()
	c := newConfig(t, changes...)
	var log records
	return New(c, direct{authority}, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func newConfig(t testing.TB, changes ...string) config.Config {
	t.Helper()
	environment := map[string]string{
		"PUBLIC_URL":               publicURL,
		"ENTRA_AUTHORITY":          "https://login.example.com",
		"ENTRA_TENANT_ID":          tenant,
		"ENTRA_AUDIENCES":          audience + "," + identifier,
		"ENTRA_REQUIRED_SCOPES":    "mcp.invoke",
		"ENTRA_REQUIRED_APP_ROLES": "Mcp.Invoke,Mcp.Admin",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environment[name] = value
	}
	c, err := config.Load(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loadKeys(t testing.TB, v *Verifier) {
	t.Helper()
	if err := v.keys.refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// untouchable is a request body that must not be read.
type untouchable struct{ t testing.TB }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read before the request was authenticated")
	return 0, io.EOF
}

// request is a tool call with the given Authorization headers.
func request(t testing.TB, authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/mcp", untouchable{t})
	r.Header["Authorization"] = authorization
	if len(authorization) == 0 {
		delete(r.Header, "Authorization")
	}
	return r
}

func bearerOf(t testing.TB, token string) *http.Request { return request(t, "Bearer "+token) }

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// jws puts a token together that no honest library would make.
func jws(header, payload string, sign func(input string) []byte) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(string(sign(input)))
}

func rs256(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return signature
	}
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
