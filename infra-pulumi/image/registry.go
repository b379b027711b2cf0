package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Push brings the image and the statements about it to a repository such as registry.example.com/prynai-mcp, unless
// they are there, and answers the image's reference by digest. The registry is spoken to in plain HTTP on loopback only. No auth: anonymous.
func Push(ctx context.Context, img *Image, repository string, auth authn.Authenticator) (ref string, pushed bool, err error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return "", false, fmt.Errorf("push the server's image: %w", err)
	}
	digest := repo.Digest(img.Digest)
	options := options(ctx, auth)
	switch there, err := remote.Head(repo.Tag(img.Build), options...); {
	case err == nil && there.Digest.String() == img.Digest:
		return digest.String(), false, nil
	case err != nil && status(err) != http.StatusNotFound:
		return "", false, explain("push the server's image to", digest, err)
	}
	if err := upload(img, repo, options); err != nil {
		return "", false, explain("push the server's image to", digest, err)
	}
	return digest.String(), true, nil
}

// upload ends with the tag, which says that all of it is there. It is for people who list the repository, too, and keeps
// the registry from purging the image as untagged.
func upload(img *Image, repo name.Repository, options []remote.Option) error {
	if err := remote.Write(repo.Digest(img.Digest), img.OCI, options...); err != nil {
		return err
	}
	all, err := statements(img)
	if err != nil {
		return err
	}
	for _, statement := range all {
		digest, err := statement.Digest()
		if err != nil {
			return err
		}
		if err := remote.Write(repo.Digest(digest.String()), statement, options...); err != nil {
			return err
		}
	}
	return remote.Tag(repo.Tag(img.Build), img.OCI, options...)
}

// Pull opens an image by a reference with its digest.
func Pull(ctx context.Context, ref string, auth authn.Authenticator) (v1.Image, error) {
	digest, err := name.NewDigest(ref)
	if err != nil {
		return nil, fmt.Errorf("pull the server's image: %w", err)
	}
	img, err := remote.Image(digest, options(ctx, auth)...)
	if err != nil {
		return nil, explain("pull the server's image from", digest, err)
	}
	return img, nil
}

func options(ctx context.Context, auth authn.Authenticator) []remote.Option {
	if auth == nil {
		auth = authn.Anonymous
	}
	return []remote.Option{remote.WithContext(ctx), remote.WithAuth(auth), remote.WithUserAgent(Repository)}
}

// status is the registry's HTTP status in an error, or 0.
func status(err error) int {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// explain says what was tried where, and what to do about the failure.
func explain(doing string, at name.Digest, err error) error {
	remedy := fmt.Sprintf("check that %s resolves and can be reached from here, also through a proxy", at.RegistryStr())
	switch code := status(err); {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		remedy = "the registry refused the credentials: whoever deploys needs the role AcrPush (or Contributor) on it, " +
			"or switch to its admin user with `pulumi config set registry:adminUser true`"
	case code == http.StatusNotFound:
		remedy = "the registry does not have it: `pulumi up` pushes it"
	case code != 0:
		remedy = "the registry failed; try again"
	}
	return fmt.Errorf("%s registry %s, repository %s: %w; %s", doing, at.RegistryStr(), at.RepositoryStr(), err, remedy)
}
