package entra

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are the parts of an access token that decide whether the server
// accepts it. They are read, not verified: that is the server's part, and
// nothing here is decided on them.
type Claims struct {
	Audience []string  `json:"aud"`
	Issuer   string    `json:"iss"`
	TenantID string    `json:"tid"`
	Client   string    `json:"client"` // azp in v2 tokens, appid in v1
	Roles    []string  `json:"roles"`
	Scopes   string    `json:"scp"`
	Expires  time.Time `json:"exp"`
}

// ReadClaims decodes the claims of a token in JWT form.
func ReadClaims(token string) (Claims, error) {
	var c struct {
		jwt.RegisteredClaims
		TenantID string   `json:"tid"`
		AZP      string   `json:"azp"`
		AppID    string   `json:"appid"`
		Roles    []string `json:"roles"`
		Scopes   string   `json:"scp"`
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		// The library's error quotes parts of what it could not decode.
		return Claims{}, fmt.Errorf("the token is not a JWT that can be read")
	}
	claims := Claims{
		Audience: c.Audience, Issuer: c.Issuer, TenantID: c.TenantID,
		Client: c.AZP, Roles: c.Roles, Scopes: c.Scopes,
	}
	if claims.Client == "" {
		claims.Client = c.AppID
	}
	if c.ExpiresAt != nil {
		claims.Expires = c.ExpiresAt.UTC()
	}
	return claims, nil
}
