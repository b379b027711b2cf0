package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/prynai/prynai-mcp/infra-pulumi/image"
)

// kept is how many images' binaries stay in the cache.
const kept = 5

// imageRegistry is a container registry in memory.
type imageRegistry struct {
	host string
	stop func()
}

func startRegistry() (*imageRegistry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the image registry: %w", err)
	}
	server := &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.Serve(listener) }() // ends by stop alone
	return &imageRegistry{listener.Addr().String(), func() { _ = server.Close() }}, nil
}

// publish builds the server's image for this machine and pushes it.
func (r *imageRegistry) publish(ctx context.Context) (*image.Image, error) {
	source, err := image.Source()
	if err != nil {
		return nil, err
	}
	built, err := image.Build(ctx, image.Options{Module: source, OS: runtime.GOOS, Arch: runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	if _, _, err := image.Push(ctx, built, r.host+"/"+image.Repository, nil); err != nil {
		return nil, err
	}
	return built, nil
}

// program is what an image starts, as a file of this machine.
type program struct {
	path        string
	environment []string // the image's own variables
}

// unpack pulls an image by its digest and puts its program in the cache, under
// that digest.
func unpack(ctx context.Context, reference, cache string) (*program, error) {
	pulled, err := image.Pull(ctx, reference, nil)
	if err != nil {
		return nil, err
	}
	entry, err := image.Binary(pulled)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", reference, err)
	}
	_, digest, _ := strings.Cut(reference, "@")
	images := filepath.Join(cache, "images")
	folder := filepath.Join(images, strings.ReplaceAll(digest, ":", "-")) // no colons on Windows
	path := filepath.Join(folder, executable(filepath.Base(entry.Path)))
	if err := store(path, entry.Content); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", reference, err)
	}
	prune(images, folder)
	return &program{path, entry.Env}, nil
}

// store writes a program unless it is there. A file appears whole or not at
// all, and keeps its place: on some systems a new one is scanned at length.
func store(path string, content []byte) error {
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(content)) {
		now := time.Now()
		return os.Chtimes(filepath.Dir(path), now, now) // in use; see prune
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = errors.Join(os.Chmod(file.Name(), 0o700), os.Rename(file.Name(), path))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// prune keeps the binaries that were used last, this one included. What cannot
// be removed, as it runs, goes another time.
func prune(images, current string) {
	folders, err := os.ReadDir(images)
	if err != nil {
		return
	}
	used := func(entry fs.DirEntry) time.Time {
		info, err := entry.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(folders, func(a, b fs.DirEntry) int { return used(b).Compare(used(a)) })
	for i, entry := range folders {
		if path := filepath.Join(images, entry.Name()); i >= kept && path != current {
			_ = os.RemoveAll(path)
		}
	}
}

// executable is a program's file name on this system.
func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// userCacheDir is another one in tests, which run beside each other.
var userCacheDir = os.UserCacheDir

// cacheFolder is where binaries lie from one run to the next.
func cacheFolder() (string, error) {
	base, err := userCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	folder := filepath.Join(base, "prynai-mcp")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return folder, nil
}
