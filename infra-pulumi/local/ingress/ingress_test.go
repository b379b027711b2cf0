package ingress

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 20 * time.Second

// rounds is a fixed list of addresses, in turn.
type rounds struct {
	addresses []string
	next      atomic.Int64
}

func (r *rounds) Next(int) (string, error) {
	if len(r.addresses) == 0 {
		return "", errors.New("no replica is ready")
	}
	return r.addresses[int(r.next.Add(1))%len(r.addresses)], nil
}

func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// serve starts the ingress with and without TLS.
func serve(t *testing.T, timeout time.Duration, to ...string) (i *Ingress, secure, plain *httptest.Server) {
	t.Helper()
	i = New(timeout)
	i.Route(&rounds{addresses: to}, 8000)
	secure, plain = httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	secure.Config, plain.Config = i.Server(), i.Server()
	secure.EnableHTTP2 = true
	secure.StartTLS()
	plain.Start()
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	return i, secure, plain
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestRoundRobin(t *testing.T) {
	name := func(n string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, n) }
	}
	_, secure, _ := serve(t, Timeout, backend(t, name("a")), backend(t, name("b")))
	var got string
	for range 6 {
		_, body := get(t, secure.Client(), secure.URL)
		got += body
	}
	if got != "bababa" {
		t.Fatalf("one client's requests went to %s", got)
	}
}

func TestForwarding(t *testing.T) {
	echo := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s proto=%s host=%s for=%s cookie=%s", r.Host, r.RequestURI,
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-For"), r.Header.Get("Cookie"))
	})
	_, secure, plain := serve(t, Timeout, echo)
	for _, server := range []*httptest.Server{secure, plain} {
		request, err := http.NewRequest(http.MethodGet, server.URL+"/mcp?a=%2F;b", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-For", "6.6.6.6")
		request.Header.Set("X-Forwarded-Proto", "gopher")
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		scheme, host, _ := strings.Cut(server.URL, "://")
		want := fmt.Sprintf("%s /mcp?a=%%2F;b proto=%s host=%s for=127.0.0.1 cookie=", host, scheme, host)
		if string(body) != want {
			t.Errorf("got  %s\nwant %s", body, want)
		}
		if secure == server && response.ProtoMajor != 2 {
			t.Errorf("spoke %s, want HTTP/2", response.Proto)
		}
		if got := response.Header["Set-Cookie"]; got != nil {
			t.Errorf("the ingress sets a cookie: %v", got)
		}
	}
}

// An event arrives while its stream is still open, over each protocol, also
// when the replica begins its answer before it has read the request.
func TestStreams(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0", "plain"} {
		t.Run(protocol, func(t *testing.T) {
			proceed := make(chan struct{})
			stream := backend(t, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: 1\n\n")
				_ = http.NewResponseController(w).Flush()
				<-proceed
				body, err := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "data: %d %v\n\n", len(body), err)
			})
			_, secure, plain := serve(t, Timeout, stream)
			server := secure
			switch protocol {
			case "plain":
				server = plain
			case "HTTP/1.1":
				transport := server.Client().Transport.(*http.Transport)
				transport.ForceAttemptHTTP2 = false
				transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
				transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
			}
			const size = 100_000
			response, err := server.Client().Post(server.URL, "application/json", strings.NewReader(strings.Repeat("x", size)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if protocol != "plain" && response.Proto != protocol {
				t.Fatal(response.Proto)
			}
			lines := bufio.NewReader(response.Body)
			if line, err := lines.ReadString('\n'); line != "data: 1\n" {
				t.Fatal(line, err)
			}
			close(proceed)
			rest, err := io.ReadAll(lines)
			if want := fmt.Sprintf("\ndata: %d <nil>\n\n", size); err != nil || string(rest) != want {
				t.Fatalf("%q %v", rest, err)
			}
		})
	}
}

func TestCutsAfterItsTimeout(t *testing.T) {
	left := make(chan struct{}, 2)
	backend := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		left <- struct{}{}
	})
	_, secure, _ := serve(t, 200*time.Millisecond, backend)
	if status, body := get(t, secure.Client(), secure.URL+"/silent"); status != http.StatusGatewayTimeout {
		t.Errorf("an unanswered request: %d %s", status, body)
	}
	response, err := secure.Client().Get(secure.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err == nil || string(body) != "data: 1\n\n" {
		t.Errorf("a stream: %q, %v; want its cut to be an error", body, err)
	}
	for range 2 {
		awaitSignal(t, left, "the replica does not learn of the cut")
	}
}

func TestClientLeaves(t *testing.T) {
	arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
	backend := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	})
	_, secure, _ := serve(t, Timeout, backend)
	ctx, leave := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, secure.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if response, err := secure.Client().Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	awaitSignal(t, arrived, "the request does not arrive")
	leave()
	awaitSignal(t, left, "the replica does not learn that its client left")
}

// A release: new requests go to the new revision, running ones stay.
func TestRoute(t *testing.T) {
	arrived, finish := make(chan struct{}, 1), make(chan struct{})
	old := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "old")
	})
	fresh := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "new") })
	ingress, secure, _ := serve(t, Timeout, old)
	running := make(chan string, 1)
	go func() {
		response, err := secure.Client().Get(secure.URL)
		if err != nil {
			running <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		running <- string(body)
	}()
	awaitSignal(t, arrived, "the request does not arrive")
	ingress.Route(&rounds{addresses: []string{fresh}}, 8000)
	if _, body := get(t, secure.Client(), secure.URL); body != "new" {
		t.Errorf("a new request got %q", body)
	}
	close(finish)
	if body := <-running; body != "old" {
		t.Errorf("the running request got %q", body)
	}
}

func TestNoReplica(t *testing.T) {
	ingress, secure, _ := serve(t, Timeout)
	if status, body := get(t, secure.Client(), secure.URL); status != http.StatusServiceUnavailable || body != "no replica is ready\n" {
		t.Error(status, body)
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	ingress.Route(&rounds{addresses: []string{gone.Addr().String()}}, 8000)
	if status, body := get(t, secure.Client(), secure.URL); status != http.StatusBadGateway {
		t.Error(status, body)
	}
}

func TestBigBodyIsStreamed(t *testing.T) {
	count := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	})
	_, _, plain := serve(t, Timeout, count)
	const size = bufferLimit + 5
	response, err := plain.Client().Post(plain.URL, "", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); string(body) != fmt.Sprint(size, nil) {
		t.Fatal(string(body), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = Listen(port, "--port")
	if err == nil {
		t.Fatal("listens on a port in use")
	}
	for _, want := range []string{fmt.Sprintf("port %d: ", port), fmt.Sprintf("--port %d", port+1000)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	t.Log(err)
}

func awaitSignal(t *testing.T, signal <-chan struct{}, failure string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(patience):
		t.Fatal(failure)
	}
}
