package image

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/prynai/prynai-mcp/infra-pulumi/image/registrytest"
)

const password = "pa55-of-the-admin"

func admin() authn.Authenticator { return &authn.Basic{Username: "admin", Password: password} }

func TestPushOncePullByDigest(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	registry := registrytest.New(t, registrytest.Options{Username: "admin", Password: password})

	ref, pushed, err := Push(t.Context(), img, registry.Host+"/"+Repository, admin())
	if err != nil || !pushed {
		t.Fatalf("pushed %t, %v", pushed, err)
	}
	if want := registry.Host + "/prynai-mcp@" + img.Digest; ref != want {
		t.Errorf("got %s, want %s", ref, want)
	}
	if !slices.Contains(registry.Requests(), "PUT /v2/prynai-mcp/manifests/"+img.Build) {
		t.Error("the image has no tag, so a registry may purge it")
	}

	again, pushed, err := Push(t.Context(), img, registry.Host+"/"+Repository, admin())
	if err != nil || pushed || again != ref {
		t.Errorf("the second time: pushed %t, %s, %v", pushed, again, err)
	}
	for _, request := range registry.Requests() {
		if method, _, _ := strings.Cut(request, " "); method != http.MethodGet && method != http.MethodHead {
			t.Errorf("the second time: %s", request)
		}
	}

	pulled, err := Pull(t.Context(), ref, admin())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
	entrypoint, err := Binary(pulled)
	if err != nil || len(entrypoint.Content) == 0 {
		t.Errorf("%+v, %v", entrypoint, err)
	}
}

func TestExchange(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	registry := registrytest.New(t, registrytest.Options{AzureToken: "azure-token"})

	auth, err := Exchange(t.Context(), registry.Host, "azure-token")
	if err != nil {
		t.Fatal(err)
	}
	if _, pushed, err := Push(t.Context(), img, registry.Host+"/"+Repository, auth); err != nil || !pushed {
		t.Errorf("pushed %t, %v", pushed, err)
	}

	_, err = Exchange(t.Context(), registry.Host, "stolen-token")
	explains(t, err, "stolen-token", registry.Host, "AcrPush", "registry:adminUser true")
}

func TestPushSaysWhatIsWrong(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	locked := registrytest.New(t, registrytest.Options{Username: "admin", Password: "another"})
	_, _, err := Push(t.Context(), img, locked.Host+"/"+Repository, admin())
	explains(t, err, password, locked.Host, "repository prynai-mcp", "AcrPush", "registry:adminUser true")

	gone := httptest.NewServer(http.NotFoundHandler())
	host := strings.TrimPrefix(gone.URL, "http://")
	gone.Close()
	_, _, err = Push(t.Context(), img, host+"/"+Repository, admin())
	explains(t, err, password, host, "repository prynai-mcp", "can be reached")
	_, err = Exchange(t.Context(), host, "azure-token")
	explains(t, err, "azure-token", host, "can be reached")

	open := registrytest.New(t, registrytest.Options{Username: "admin", Password: password})
	_, err = Pull(t.Context(), open.Host+"/"+Repository+"@"+img.Digest, admin())
	explains(t, err, password, open.Host, "repository prynai-mcp", "pulumi up")
}

// explains fails unless the error has all the words and not the secret.
func explains(t *testing.T, err error, secret string, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the secret: %v", err)
	}
}

func TestPushTells(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	registry := registrytest.New(t, registrytest.Options{Username: "admin", Password: password})
	var said []string
	for range 2 {
		err := push(t.Context(), img, registry.Host, func(_ context.Context, server string) (authn.Authenticator, error) {
			if server != registry.Host {
				t.Errorf("asked for %s", server)
			}
			return admin(), nil
		}, func(message string) error { said = append(said, message); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	ref := registry.Host + "/prynai-mcp@" + img.Digest
	if want := []string{"pushed " + ref, "the registry already has " + ref}; !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
}
