package enginetest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/standin"
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
)

// TestAdminUser deploys as somebody who may neither push with the Azure login nor assign
// roles: the failure names the remedy, and the remedy works.
func TestAdminUser(t *testing.T) {
	t.Parallel()
	var cloud atomic.Pointer[standin.Cloud]
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !cloud.Load().Login(user, password) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	e := newEngineWith(t, strings.TrimPrefix(web.URL, "http://"))
	cloud.Store(e.cloud)
	ctx := t.Context()
	s := e.stack(t, stack.Program{Getenv: noEnvironment, Image: imageOf(newServer(t))}.Deploy)

	const remedy = "pulumi config set registry:adminUser true"
	_, err := s.Up(ctx)
	if err == nil || !strings.Contains(err.Error(), " app ") || !strings.Contains(err.Error(), remedy) {
		t.Errorf("a push that the registry refused: got %v, want the app and %q", err, remedy)
	}
	e.step(t, "up: the registry refuses the push")

	set(t, s, "registry:adminUser", "true")
	e.mustUp(t, s)
	for _, r := range e.cloud.Resources() {
		if r.Name == "pull" {
			t.Error("a role was assigned all the same")
		}
	}
	e.noSecrets(t)
	e.step(t, "up with the registry's admin user: pushed")
}
