package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
)

// testImage has one file, /server.
func testImage(t *testing.T, content string) *image.Image {
	t.Helper()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "server", Mode: 0o555, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(files, content); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/server"}, Env: []string{"LISTEN_ADDR=0.0.0.0:8000"}})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return &image.Image{OCI: img, Digest: digest.String(), Build: "test"}
}

func TestUnpack(t *testing.T) {
	registry, err := startRegistry()
	if err != nil {
		t.Fatal(err)
	}
	defer registry.stop()
	cache := t.TempDir()
	var unpacked []string
	for i := range kept + 2 {
		content := fmt.Sprintf("program %d", i)
		ref, _, err := image.Push(t.Context(), testImage(t, content), registry.host+"/"+image.Repository, nil)
		if err != nil {
			t.Fatal(err)
		}
		program, err := unpack(t.Context(), ref, cache)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(program.path); err != nil || string(got) != content {
			t.Fatalf("%q %v", got, err)
		}
		if !slices.Equal(program.environment, []string{"LISTEN_ADDR=0.0.0.0:8000"}) {
			t.Error(program.environment)
		}
		folder := filepath.Dir(program.path)
		if err := os.Chtimes(folder, time.Time{}, time.Now().Add(time.Duration(i-100)*time.Hour)); err != nil {
			t.Fatal(err)
		}

		before, err := os.Stat(program.path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unpack(t.Context(), ref, cache); err != nil {
			t.Fatal(err)
		}
		if after, err := os.Stat(program.path); err != nil || !os.SameFile(before, after) {
			t.Error("the second time it is written again")
		}
		if err := os.Chtimes(folder, time.Time{}, time.Now().Add(time.Duration(i-100)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		unpacked = append(unpacked, program.path)
	}
	for i, path := range unpacked {
		if _, err := os.Stat(path); (err == nil) != (i >= 2) {
			t.Errorf("image %d of %d: %v", i, len(unpacked), err)
		}
	}
}

func TestUnpackRefusesAnUnknownDigest(t *testing.T) {
	registry, err := startRegistry()
	if err != nil {
		t.Fatal(err)
	}
	defer registry.stop()
	ref := registry.host + "/" + image.Repository + "@" + testImage(t, "absent").Digest
	if _, err := unpack(t.Context(), ref, t.TempDir()); err == nil {
		t.Fatal("unpacked an image that the registry does not have")
	}
}
