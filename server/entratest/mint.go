package entratest

import (
	"cmp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// A Token describes an access token for the server app. The zero value is a valid one of the first client
// app: no user, and the roles that the app was granted.
type Token struct {
	Version  int           // 1 or 2; the server app's by default
	Client   string        // id of the client app
	User     string        // object id of the user on whose behalf the client acts; empty for the app itself
	Roles    []string      // of the app itself: those it was granted, unless given here
	Scopes   []string      // with a user only
	Lifetime time.Duration // an hour by default

	// Claims are set last, over everything above; a nil value removes the claim.
	Claims map[string]any
}

// Mint signs the token with the present key.
func (e *Entra) Mint(t Token) string {
	id, private := e.SigningKey()
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: id}}
	signer, err := jose.NewSigner(key, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		panic(err) // an RSA key can always sign RS256
	}
	token, err := jwt.Signed(signer).Claims(e.Claims(t)).Serialize()
	if err != nil {
		panic(err) // a test put something into Claims that JSON cannot carry
	}
	return token
}

// Claims is the token's payload, for tests that sign it in their own way.
func (e *Entra) Claims(t Token) map[string]any {
	o := e.Options()
	t.Version = cmp.Or(t.Version, o.TokenVersion)
	if t.Client == "" && len(o.Apps) > 0 {
		t.Client = o.Apps[0].ID
	}
	now := time.Now()
	claims := map[string]any{
		"iss": e.Issuer(t.Version),
		"tid": o.Tenant,
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(cmp.Or(t.Lifetime, time.Hour)).Unix(),
		"uti": now.UnixNano(),
	}
	if t.Version == 1 {
		claims["ver"], claims["aud"], claims["appid"] = "1.0", o.ServerAppIDURI, t.Client
	} else {
		claims["ver"], claims["aud"], claims["azp"] = "2.0", o.ServerAppID, t.Client
	}
	if t.User == "" {
		// An app's tokens name its service principal, which has an id of its own, and carry no scp.
		claims["oid"], claims["sub"], claims["idtyp"] = servicePrincipal(t.Client), servicePrincipal(t.Client), "app"
		if t.Roles == nil {
			t.Roles = o.granted(t.Client)
		}
	} else {
		claims["oid"], claims["sub"] = t.User, "pairwise-"+t.User
		claims["scp"] = strings.Join(t.Scopes, " ")
	}
	if len(t.Roles) > 0 {
		claims["roles"] = t.Roles
	}
	for name, value := range t.Claims {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

func (o Options) granted(client string) []string {
	for _, app := range o.Apps {
		if strings.EqualFold(app.ID, client) {
			return app.Roles
		}
	}
	return nil
}

// servicePrincipal derives the object id of an app's service principal, stable over restarts.
func servicePrincipal(app string) string {
	if len(app) < 8 {
		return app
	}
	return "5e000000" + app[8:]
}
