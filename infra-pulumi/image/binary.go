package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Entrypoint is what a container runtime would start.
type Entrypoint struct {
	Path    string   // in the image: /server
	Content []byte   // of that file
	Env     []string // the image's own variables, as K=V
	User    string
}

// Binary takes the entry point out of an image, checking each layer against its digest on the way.
func Binary(img v1.Image) (_ *Entrypoint, err error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	if len(file.Config.Entrypoint) != 1 || len(file.Config.Cmd) != 0 {
		return nil, fmt.Errorf("the image starts %q %q; want one entry point without arguments", file.Config.Entrypoint, file.Config.Cmd)
	}
	entrypoint := &Entrypoint{Path: file.Config.Entrypoint[0], Env: file.Config.Env, User: file.Config.User}

	content := mutate.Extract(img)
	defer func() { err = errors.Join(err, content.Close()) }()
	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the image has no file %s", entrypoint.Path)
		}
		if err != nil {
			return nil, fmt.Errorf("read the image's files: %w", err)
		}
		if "/"+strings.TrimPrefix(header.Name, "/") != entrypoint.Path {
			continue
		}
		if entrypoint.Content, err = io.ReadAll(files); err != nil {
			return nil, fmt.Errorf("read %s from the image: %w", entrypoint.Path, err)
		}
		return entrypoint, nil
	}
}
