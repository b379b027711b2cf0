package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/ingress"
)

// A faulty version is the server itself behind a proxy that spoils it, or in
// its place: the test binary, told by its environment. The product has none
// of it.
const (
	faultVariable  = "LOCAL_TEST_FAULT"
	serverVariable = "LOCAL_TEST_SERVER" // the real one's path
	signVariable   = "LOCAL_TEST_SIGN"   // a file
)

// What can be wrong with a version.
const (
	crashAtOnce      = "crash at once"
	crashLater       = "crash later"       // after crashDelay
	crashAtSign      = "crash at a sign"   // once the file signVariable is there
	neverReady       = "never ready"       // /readyz refuses
	addWrong         = "add wrong"         // one too many
	toolMissing      = "tool missing"      // echo is neither listed nor known
	hang             = "hang"              // /mcp never answers
	ignoreTermSignal = "ignore the signal" // to end
)

// crashDelay is a tenth of the 20 s that a release on Azure must notice.
const crashDelay = 2 * time.Second

// playFaulty is a replica of a faulty version.
func playFaulty() int {
	fault := os.Getenv(faultVariable)
	if fault == crashAtOnce {
		fmt.Println("a faulty version ends at once")
		return 3
	}
	f, err := startFaulty(fault)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	select {
	case <-f.ended:
		return 1
	case <-f.crash():
		fmt.Println("a faulty version crashes")
		_ = f.server.Process.Kill()
		return 3
	case <-signals:
	}
	if fault == ignoreTermSignal {
		select {} // until it is killed
	}
	_ = f.server.Process.Kill() // whatever it ran is lost anyway
	return 0
}

// faulty is the server behind a proxy.
type faulty struct {
	fault   string
	address string // of the server
	server  *exec.Cmd
	ended   chan struct{}
	proxy   *ingress.Ingress
}

// Next implements ingress.Backends.
func (f *faulty) Next(int) (string, error) { return f.address, nil }

func startFaulty(fault string) (*faulty, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	f := &faulty{fault: fault, address: address, server: exec.Command(os.Getenv(serverVariable)), ended: make(chan struct{})}
	f.server.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "LOCAL_TEST_") || strings.HasPrefix(v, "LISTEN_ADDR=")
	})
	f.server.Env = append(f.server.Env, "LISTEN_ADDR="+address)
	f.server.Stdout, f.server.Stderr = os.Stdout, os.Stderr
	f.server.SysProcAttr = diesWithParent()
	if err := f.server.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(f.ended)
		_ = f.server.Wait() // its log says more
	}()
	f.proxy = ingress.New(time.Hour)
	f.proxy.Route(f, port)
	front := &http.Server{Addr: os.Getenv("LISTEN_ADDR"), Handler: f, ReadHeaderTimeout: time.Minute}
	go func() { fmt.Println(front.ListenAndServe()) }()
	return f, nil
}

// crash is when it crashes.
func (f *faulty) crash() <-chan time.Time {
	switch f.fault {
	case crashLater:
		return time.After(crashDelay)
	case crashAtSign:
		seen := make(chan time.Time)
		go func() {
			for {
				if _, err := os.Stat(os.Getenv(signVariable)); err == nil {
					close(seen)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		return seen
	}
	return nil
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.fault == neverReady && r.URL.Path == "/readyz":
		http.Error(w, "never", http.StatusServiceUnavailable)
	case f.fault == hang && r.URL.Path == "/mcp":
		<-r.Context().Done()
	case r.URL.Path == "/mcp" && r.Method == http.MethodPost && (f.fault == addWrong || f.fault == toolMissing):
		f.spoil(w, r)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// spoil passes on a call of a tool that is wrong.
func (f *faulty) spoil(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch f.fault {
	case addWrong:
		body = bytes.Replace(body, []byte(`"b":`), []byte(`"b":1`), 1) // another number
	case toolMissing:
		body = bytes.Replace(body, []byte(`"echo"`), []byte(`"no_such_tool"`), 1)
		if bytes.Contains(body, []byte("tools/list")) {
			w = &lister{w}
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	f.proxy.ServeHTTP(w, r)
}

// lister takes a tool out of a list of tools, by another name.
type lister struct{ http.ResponseWriter }

func (l *lister) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *lister) Write(p []byte) (int, error) {
	_, err := l.ResponseWriter.Write(bytes.ReplaceAll(p, []byte(`"name":"echo"`), []byte(`"name":"ohce"`)))
	return len(p), err
}
