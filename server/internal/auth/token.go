package auth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// skew is how far the authority's clock and ours may be apart.
const skew = time.Minute

// claims are those that decide about a token. Names are matched exactly, and a name that occurs twice is
// an error (go-jose's decoder, unlike encoding/json), so there is one reading of a payload.
type claims struct {
	jwt.Claims
	Tenant   string   `json:"tid"`
	Object   string   `json:"oid"`
	ClientV1 string   `json:"appid"`
	ClientV2 string   `json:"azp"`
	Scopes   string   `json:"scp"`
	Roles    []string `json:"roles"`
	Type     string   `json:"idtyp"`
}

// parse reads the outer form, without trusting anything in it, and gives the id of the key to check it with.
func parse(raw string) (token *jwt.JSONWebToken, keyID string, err *Error) {
	const malformed = "The token is malformed."
	token, failure := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if failure != nil {
		return nil, "", invalidToken(malformed+" It must be a JSON Web Token signed with RS256.", "the token cannot be parsed: %s", clip(failure.Error()))
	}
	if keyID = token.Headers[0].KeyID; keyID == "" {
		return nil, "", invalidToken(malformed+" It does not name its signing key.", "the token has no kid")
	}
	return token, keyID, nil
}

// signed is a token that names a key of the tenant, and go-oidc's key set for that one token: the keyring
// decides about keys. It reads the claims as soon as the signature holds, before go-oidc does so less
// strictly.
type signed struct {
	token  *jwt.JSONWebToken
	key    *rsa.PublicKey
	claims claims
}

// VerifySignature implements [oidc.KeySet].
func (s *signed) VerifySignature(context.Context, string) ([]byte, error) {
	var payload json.RawMessage
	err := s.token.Claims(s.key, &payload, &s.claims)
	return payload, err
}

// oidcConfig leaves to [claims.check] what OpenID Connect has one of and an API of Entra several: the
// issuer and the audience.
var oidcConfig = &oidc.Config{
	SupportedSigningAlgs: []string{oidc.RS256},
	SkipIssuerCheck:      true,
	SkipClientIDCheck:    true,
	Now:                  func() time.Time { return time.Now().Add(-skew) },
}

// verify checks the signature, and then whether the token is meant for this server, now.
func (s *signed) verify(ctx context.Context, raw string, tenant string, issuers, audiences []string) *Error {
	_, err := oidc.NewVerifier("", s, oidcConfig).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	if err != nil && !errors.As(err, &expired) {
		return invalidToken("The token's signature or content is invalid.", "signature or claims: %s", clip(err.Error()))
	}
	// Whose it is says more about a token than its age.
	if failure := s.claims.check(tenant, issuers, audiences); failure != nil {
		return failure
	}
	if expired != nil {
		return invalidToken("The token has expired.", "exp is %s, now is %s", utc(expired.Expiry), utc(time.Now()))
	}
	return nil
}

// check says whether a token with these claims is meant for this server, and not only later.
func (c claims) check(tenant string, issuers, audiences []string) *Error {
	now := time.Now()
	switch {
	case c.Tenant != tenant:
		return invalidToken("The token is from another tenant.", "tid is %s, expected %s", clip(c.Tenant), tenant)
	case !slices.Contains(issuers, c.Issuer):
		return invalidToken("The token is from another issuer.", "iss is %s, expected one of %q", clip(c.Issuer), issuers)
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return invalidToken("The token was issued for another audience.", "aud is %s, expected one of %q", clip(strings.Join(c.Audience, " ")), audiences)
	case c.Expiry == nil:
		return invalidToken("The token has no expiry.", "exp is missing")
	case c.NotBefore != nil && now.Before(c.NotBefore.Time().Add(-skew)):
		return invalidToken("The token is not valid yet.", "nbf is %s, now is %s", utc(c.NotBefore.Time()), utc(now))
	case c.IssuedAt != nil && now.Before(c.IssuedAt.Time().Add(-skew)):
		return invalidToken("The token was issued in the future.", "iat is %s, now is %s", utc(c.IssuedAt.Time()), utc(now))
	case c.client() == "":
		return invalidToken("The token is not an access token.", "neither azp nor appid is set, as in an ID token")
	case c.Object == "" && c.Subject == "":
		return invalidToken("The token does not say who it is for.", "neither oid nor sub is set")
	}
	return nil
}

func (c claims) client() string {
	if c.ClientV2 != "" {
		return c.ClientV2
	}
	return c.ClientV1
}

func (c claims) principal() *Principal {
	p := &Principal{
		Kind:    User,
		Tenant:  c.Tenant,
		Object:  c.Object,
		Subject: c.Subject,
		Client:  c.client(),
		Roles:   c.Roles,
		Scopes:  strings.Fields(c.Scopes),
	}
	// idtyp is optional. Without it: a token on behalf of a user always carries scp, an application's never.
	if c.Type == "app" || c.Type == "" && c.Scopes == "" {
		p.Kind = Application
	}
	p.id = p.ID()
	return p
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clip quotes a stranger's text for the log, at a bearable length.
func clip(s string) string {
	const longest = 200
	if len(s) <= longest {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", s[:longest])
}
