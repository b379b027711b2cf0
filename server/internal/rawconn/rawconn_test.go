package rawconn

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe is a connection's two ends.
func pipe(t testing.TB) (one, other net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener = Listen(listener)
	defer func() { _ = listener.Close() }()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	one, other = New(dialed), accepted
	t.Cleanup(func() { _ = errors.Join(one.Close(), other.Close()) }) // again, for some tests
	return one, other
}

// What any net.Conn does: deadlines past and present, methods at the same time,
// close in the middle of all.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (one, other net.Conn, stop func(), err error) {
		one, other = pipe(t)
		return one, other, func() { _ = errors.Join(one.Close(), other.Close()) }, nil
	})
}

// Errors are those that net/http, crypto/tls and rueidis look for.
func TestErrors(t *testing.T) {
	failure := func(t *testing.T, err error, operation string, cause error) {
		t.Helper()
		var e *net.OpError
		if !errors.As(err, &e) || e.Op != operation || !errors.Is(err, cause) {
			t.Errorf("%v, want %s to fail with %v", err, operation, cause)
		}
	}
	t.Run("end", func(t *testing.T) {
		one, other := pipe(t)
		_ = one.Close()
		if n, err := other.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := other.Read(nil); n != 0 || err != nil {
			t.Errorf("nothing read: %d, %v", n, err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		one, _ := pipe(t)
		_ = one.Close()
		_, err := one.Read(make([]byte, 1))
		failure(t, err, "read", net.ErrClosed)
		_, err = one.Write([]byte("a"))
		failure(t, err, "write", net.ErrClosed)
	})
	t.Run("reset", func(t *testing.T) {
		one, other := pipe(t)
		if err := one.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = one.Close()
		_, err := other.Read(make([]byte, 1))
		failure(t, err, "read", syscall.ECONNRESET)
		_, err = other.Write([]byte("a"))
		failure(t, err, "write", syscall.EPIPE)
	})
	t.Run("deadline", func(t *testing.T) {
		one, _ := pipe(t)
		_ = one.SetDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := one.Read(make([]byte, 1))
		failure(t, err, "read", os.ErrDeadlineExceeded)
		written := 0
		_ = one.SetDeadline(time.Now().Add(100 * time.Millisecond))
		for err = nil; err == nil; {
			var n int
			n, err = one.Write(make([]byte, 1<<20)) // nobody reads: it gets full
			written += n
		}
		failure(t, err, "write", os.ErrDeadlineExceeded)
		if written == 0 {
			t.Error("what was written before the deadline was not told")
		}
	})
}

// What is larger than the socket's buffers arrives whole.
func TestLarge(t *testing.T) {
	one, other := pipe(t)
	text := strings.Repeat("0123456789abcdef", 1<<20)
	go func() {
		_, _ = io.WriteString(one, text)
		_ = one.Close()
	}()
	got, err := io.ReadAll(other)
	if err != nil || string(got) != text {
		t.Errorf("%d of %d bytes arrived, %v", len(got), len(text), err)
	}
}

func TestNotTCP(t *testing.T) {
	one, other := net.Pipe()
	defer func() { _ = errors.Join(one.Close(), other.Close()) }()
	if New(one) != one {
		t.Error("a connection that is not TCP was changed")
	}
}

func TestAllocations(t *testing.T) {
	one, other := pipe(t)
	p := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = one.Write(p)
		_, _ = other.Read(p)
	}); n != 0 {
		t.Errorf("%v allocations to write and read", n)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	one, other := pipe(b)
	go func() { _, _ = io.Copy(struct{ io.Writer }{other}, struct{ io.Reader }{other}) }()
	p := make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := one.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(one, p); err != nil {
			b.Fatal(err)
		}
	}
}
