package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Exchange turns a Microsoft Entra access token for Azure Resource Manager into credentials of an Azure container
// registry, as `az acr login` does. The registry's admin user can then stay off.
func Exchange(ctx context.Context, server, accessToken string) (authn.Authenticator, error) {
	registry, err := name.NewRegistry(server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	form := url.Values{"grant_type": {"access_token"}, "service": {registry.RegistryStr()}, "access_token": {accessToken}}
	endpoint := url.URL{Scheme: registry.Scheme(), Host: registry.RegistryStr(), Path: "/oauth2/exchange"}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w; check that %s resolves and can be reached from here, also through a proxy", err, server)
	}
	defer func() { _ = response.Body.Close() }() // nothing is lost: the body was read or is not wanted

	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		// The body may quote the token; the status says enough.
		return nil, fmt.Errorf("%s refused the Azure login: %s; whoever deploys needs the role AcrPush (or Contributor) on the registry, "+
			"or switch to its admin user with `pulumi config set registry:adminUser true`", endpoint.Redacted(), response.Status)
	default:
		return nil, fmt.Errorf("%s answered %s; try again", endpoint.Redacted(), response.Status)
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s answered no JSON; is a proxy in between?", endpoint.Redacted())
	}
	if answer.RefreshToken == "" {
		return nil, errors.New(endpoint.Redacted() + " answered no refresh_token")
	}
	return authn.FromConfig(authn.AuthConfig{IdentityToken: answer.RefreshToken}), nil
}
