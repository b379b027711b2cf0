// Package image makes the server's container image without a container engine, and brings it to a registry.
//
// The same source gives the same digest, on every machine and at any time: the Go toolchain is the one that the
// server's go.mod names, every setting that reaches the compiler is pinned, the compressor is a pinned dependency
// rather than the running toolchain's, and nothing comes from a commit or a clock. A preview can therefore name
// the exact image that a deployment would run, and a deployment of unchanged source has nothing to push.
//
// Credentials pass through here on their way to the registry; no error and no log line carries one.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

const (
	// Repository is the image's name within its registry.
	Repository = "prynai-mcp"
	// Port is where the server listens within its container.
	Port = 8000

	binaryPath = "server"
	// nonroot is the unprivileged user of the distroless images.
	nonroot = "65532:65532"
	// compression is part of the digest: another level is another image.
	compression = gzip.DefaultCompression
)

// Options say what to build.
type Options struct {
	// Module is the folder of the server's module; Source finds it.
	Module string
	// OS and Arch are the platform: by default linux and amd64, which Container Apps runs.
	OS, Arch string
	// Log, if set, is told of each step.
	Log func(format string, args ...any)
}

// Image is a built image with the names by which people know it.
type Image struct {
	OCI v1.Image
	// Digest names the image in a registry: sha256:….
	Digest string
	// Build is the short hash of the server's source; the server reports it as its version.
	Build string
}

// Build compiles the server and wraps the binary in an image of one layer.
func Build(ctx context.Context, o Options) (*Image, error) {
	o = o.withDefaults()
	start := time.Now()
	o.Log("building the server for %s/%s", o.OS, o.Arch)

	goCommand, err := toolchain(o)
	if err != nil {
		return nil, err
	}
	var binary []byte
	var build string
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) { binary, err = goCommand.compile(ctx, o); return err })
	work.Go(func() (err error) { build, err = goCommand.sourceHash(ctx); return err })
	if err := work.Wait(); err != nil {
		return nil, err
	}

	img, err := assemble(binary, build, o)
	if err != nil {
		return nil, fmt.Errorf("assemble the server's image: %w", err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("assemble the server's image: %w", err)
	}
	o.Log("built %s (build %s) in %s", digest, build, time.Since(start).Round(10*time.Millisecond))
	return &Image{OCI: img, Digest: digest.String(), Build: build}, nil
}

func (o Options) withDefaults() Options {
	if o.OS == "" {
		o.OS = "linux"
	}
	if o.Arch == "" {
		o.Arch = "amd64"
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return o
}

// assemble puts the binary in a layer and describes how to run it.
func assemble(binary []byte, build string, o Options) (v1.Image, error) {
	content, err := archive(binary)
	if err != nil {
		return nil, err
	}
	// The layer is taken as compressed here: the library would use the compressor of the running toolchain.
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = o.OS, o.Arch
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	file.Config = v1.Config{
		User:         nonroot,
		Entrypoint:   []string{"/" + binaryPath},
		ExposedPorts: map[string]struct{}{fmt.Sprintf("%d/tcp", Port): {}},
		Env:          []string{fmt.Sprintf("LISTEN_ADDR=0.0.0.0:%d", Port), "PRYNAI_BUILD=" + build},
		Labels: map[string]string{
			"org.opencontainers.image.title":   Repository,
			"org.opencontainers.image.version": build,
		},
	}
	return mutate.ConfigFile(img, file)
}

// archive is the layer: a compressed tar of the binary alone, owned by nobody in particular, as old as Unix.
func archive(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	compressor, err := gzip.NewWriterLevel(&out, compression)
	if err != nil {
		return nil, err
	}
	files := tar.NewWriter(compressor)
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: binaryPath, Mode: 0o555, Size: int64(len(binary)),
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	if err := files.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := files.Write(binary); err != nil {
		return nil, err
	}
	if err := files.Close(); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
