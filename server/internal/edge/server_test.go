package edge

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with one connection, which is made of memory: its
// deadlines go by the bubble's clock.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (l oneConn) Close() error   { close(l); return nil }
func (l oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// A client that does not read its answer is cut off, a stream that sets its own
// deadlines is not.
func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	for _, test := range []struct {
		name  string
		serve func(http.ResponseWriter) error
		cut   bool
	}{
		{"answer", func(w http.ResponseWriter) error {
			_, err := w.Write(bytes.Repeat([]byte("x"), 1<<20))
			return err
		}, true},
		{"stream", func(w http.ResponseWriter) error {
			control := http.NewResponseController(w)
			for range 10 {
				time.Sleep(time.Minute)
				if err := control.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
					return err
				}
				if _, err := io.WriteString(w, ":\n\n"); err != nil {
					return err
				}
				if err := control.Flush(); err != nil {
					return err
				}
			}
			return nil
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, conn := net.Pipe()
				listener := make(oneConn, 1)
				listener <- conn
				result := make(chan error, 1)
				server := NewServer(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					result <- test.serve(w)
				}), slog.New(slog.DiscardHandler))
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if !test.cut {
					go func() { _, _ = io.Copy(io.Discard, client) }() // until it is closed
				}
				if err := <-result; (err != nil) != test.cut {
					t.Errorf("the handler's writes: %v", err)
				}
				_, _ = client.Close(), server.Close()
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}
