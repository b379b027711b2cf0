package image

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/prynai/prynai-mcp/infra-pulumi/image/registrytest"
)

func TestStatementsStandBesideTheImage(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	registry := registrytest.New(t, registrytest.Options{Username: "admin", Password: password})
	ref, _, err := Push(t.Context(), img, registry.Host+"/"+Repository, admin())
	if err != nil {
		t.Fatal(err)
	}
	digest, err := name.NewDigest(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Referrers(digest, remote.WithAuth(admin()), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]any{}
	for _, d := range manifest.Manifests {
		statement, err := remote.Image(digest.Digest(d.Digest.String()), remote.WithAuth(admin()), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		found[d.ArtifactType] = content(t, statement)
	}
	bill, origin := found[string(spdxType)], found[string(provenanceType)]
	if len(found) != 2 || bill == nil || origin == nil {
		t.Fatalf("beside the image: %v", found)
	}
	if bill["spdxVersion"] != "SPDX-2.3" || len(bill["packages"].([]any)) < 2 {
		t.Errorf("the bill of materials is %v", bill)
	}
	subject := origin["subject"].([]any)[0].(map[string]any)["digest"].(map[string]any)["sha256"]
	if "sha256:"+subject.(string) != img.Digest {
		t.Errorf("the provenance is of %v", subject)
	}
}

// content is a statement's text, and fails where it is about no image.
func content(t *testing.T, statement v1.Image) map[string]any {
	t.Helper()
	manifest, err := statement.Manifest()
	if err != nil || manifest.Subject == nil {
		t.Fatalf("%v: %+v", err, manifest)
	}
	layers, err := statement.Layers()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestStatementsAreReproducible(t *testing.T) {
	digests := func() (all []string) {
		statements, err := statements(build(t, Options{Module: module(t)}))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			digest, err := s.Digest()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, digest.String())
		}
		slices.Sort(all)
		return all
	}
	if first, second := digests(), digests(); !slices.Equal(first, second) || len(first) != 2 {
		t.Errorf("%v, then %v", first, second)
	}
}

// The server's own bill names what it is made of.
func TestBillOfTheServer(t *testing.T) {
	source, err := Source()
	if err != nil {
		t.Fatal(err)
	}
	statements, err := statements(build(t, Options{Module: source}))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, s := range statements {
		if err := json.NewEncoder(&text).Encode(content(t, s)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"pkg:golang/github.com/redis/rueidis@v1", "pkg:golang/stdlib@1.", "go.sum h1:", "-trimpath"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

// A push that was cut off between the image and its statements is finished by the next one.
func TestPushCompletes(t *testing.T) {
	img := build(t, Options{Module: module(t)})
	registry := registrytest.New(t, registrytest.Options{Username: "admin", Password: password})
	repository, err := name.NewRepository(registry.Host + "/" + Repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repository.Digest(img.Digest), img.OCI, remote.WithAuth(admin()), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, pushed, err := Push(t.Context(), img, repository.String(), admin()); err != nil || !pushed {
		t.Fatalf("pushed %t, %v", pushed, err)
	}
	if _, pushed, err := Push(t.Context(), img, repository.String(), admin()); err != nil || pushed {
		t.Errorf("once more: pushed %t, %v", pushed, err)
	}
}
