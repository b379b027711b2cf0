package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// arm answers as Azure Resource Manager would, to the token "good" alone.
func arm(t *testing.T, answer http.HandlerFunc) *manager {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.FormValue("api-version") != apiVersion {
			t.Errorf("api-version is %q", r.FormValue("api-version"))
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return &manager{login: func(context.Context) (login, error) {
		return login{subscription: "s", token: "good", endpoint: server.URL}, nil
	}}
}

func TestRevisions(t *testing.T) {
	m := arm(t, func(w http.ResponseWriter, r *http.Request) {
		const path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/containerApps/a/revisions"
		if r.URL.Path != path {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if r.FormValue("page") == "" {
			_, _ = fmt.Fprintf(w, `{"value":[{"name":"new","properties":{"createdTime":"2026-01-02T00:00:00Z","active":true,"fqdn":"new.example","healthState":"Healthy","runningState":"RunningAtMaxScale","trafficWeight":100,"template":{"containers":[{"image":"i@sha256:1"}]}}}],"nextLink":"http://%s%s?api-version=%s&page=2"}`, r.Host, path, apiVersion)
			return
		}
		_, _ = fmt.Fprint(w, `{"value":[{"name":"old","properties":{"createdTime":"2026-01-01T00:00:00+00:00","active":false,"healthState":"None","runningState":"Stopped"}}]}`)
	})
	last, err := m.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last.token = "expired"
	m.last = last
	got, err := m.revisions(t.Context(), "g", "a")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %+v", err, got)
	}
	if old := got[0].revision(); old.Name != "old" || old.Active || old.Ready {
		t.Errorf("%+v", old)
	}
	made := got[1].revision()
	if made.Name != "new" || !made.Ready || made.Weight != 100 || made.URL != "https://new.example/mcp" || made.Image != "i@sha256:1" {
		t.Errorf("%+v", made)
	}
}

func TestReadiness(t *testing.T) {
	for _, test := range []struct {
		active                        bool
		health, running, provisioning string
		ready                         bool
		problem                       string
	}{
		{true, "Healthy", "Running", "Provisioned", true, ""},
		{true, "Healthy", "Activating", "Provisioning", false, ""},
		{true, "None", "Processing", "Provisioning", false, ""},
		{true, "Unhealthy", "Running", "Provisioned", false, ""},
		{true, "Unhealthy", "Degraded", "Provisioned", false, "degraded; why"},
		{true, "None", "Failed", "Failed", false, "failed; why"},
		{false, "Healthy", "Running", "Provisioned", false, ""},
		{false, "None", "Stopped", "Failed", false, ""},
	} {
		var r armRevision
		p := &r.Properties
		p.Active, p.HealthState, p.RunningState, p.ProvisioningState, p.ProvisioningError = test.active, test.health, test.running, test.provisioning, "why"
		if got := r.revision(); got.Ready != test.ready || (got.Problem == "") != (test.problem == "") || !strings.HasSuffix(got.Problem, test.problem) {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	m := arm(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/containerApps/none/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"You may not."}}`)
	})
	if all, err := m.revisions(t.Context(), "g", "none"); err != nil || all != nil {
		t.Errorf("no app: %v, %v", all, err)
	}
	if _, err := m.revision(t.Context(), "g", "none", "r"); !errors.Is(err, errNotFound) {
		t.Errorf("no revision: %v", err)
	}
	err := m.act(t.Context(), "g", "a", "r", "deactivate")
	if err == nil || !strings.Contains(err.Error(), "deactivate revision r: Azure answered 403 Forbidden: AuthorizationFailed: You may not.") {
		t.Errorf("got %v", err)
	}
}

// A login that Azure does not take is asked for once more, not for ever, and no error shows it.
func TestBadLogin(t *testing.T) {
	logins := 0
	m := arm(t, func(http.ResponseWriter, *http.Request) { t.Error("was let in") })
	good := m.login
	m.login = func(ctx context.Context) (login, error) {
		logins++
		l, err := good(ctx)
		l.token = "bad-secret"
		return l, err
	}
	_, err := m.revision(t.Context(), "g", "a", "r")
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "secret") || logins != 2 {
		t.Errorf("after %d logins: %v", logins, err)
	}
}

func TestNoAzure(t *testing.T) {
	m := arm(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") })
	if _, err := m.revision(t.Context(), "g", "a", "r"); err == nil || !strings.Contains(err.Error(), "proxy") {
		t.Errorf("got %v", err)
	}
	m.last.endpoint = "http://127.0.0.1:1"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := m.revision(ctx, "g", "a", "r"); err == nil {
		t.Error("reached nobody")
	}
}
