package auth

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/server/entratest"
)

// The way of the local run: Entra's stand-in under TLS, its authority named by TLS_CA alone.
func TestOverTLS(t *testing.T) {
	entra := entratest.New(entratest.Options{})
	authority := httptest.NewUnstartedServer(entra)
	authority.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	authority.StartTLS()
	defer authority.Close()
	entra.SetAuthority(authority.URL)

	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw}))
	log := slog.New(slog.DiscardHandler)
	stranger := New(newConfig(t, "ENTRA_AUTHORITY="+authority.URL), nil, log)
	if err := stranger.keys.refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without TLS_CA: %v", err)
	}

	v := New(newConfig(t, "ENTRA_AUTHORITY="+authority.URL, "TLS_CA="+ca), nil, log)
	loadKeys(t, v)
	server := httptest.NewServer(v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, FromContext(r.Context()).ID())
	})))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/mcp", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+entra.Mint(entratest.Token{}))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if want := tenant + "/5e000000-0000-4000-8000-000000000003"; string(body) != want {
		t.Errorf("%s %q, want %q", response.Status, body, want)
	}
}

// A client that announces a body and waits is answered before it sends any of it.
func TestRefusedBeforeTheBody(t *testing.T) {
	v, _ := newVerifier(t, newEntra())
	server := httptest.NewServer(v.Middleware(unreachable(t)))
	defer server.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("HTTP/1.1 401"))
	if _, err := io.ReadFull(conn, first); err != nil || string(first) != "HTTP/1.1 401" {
		t.Errorf("got %q, %v", first, err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	entra := entratest.Start(t, entratest.Options{})
	v := New(newConfig(t, "ENTRA_AUTHORITY="+entra.Options().Authority), nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.Run(ctx)
	}()
	for deadline := time.Now().Add(30 * time.Second); !v.Ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no keys")
		}
	}
	stop()
	<-done
}
