package edge

import (
	"errors"
	"net/http"

	"github.com/jub0bs/cors"
)

// CORS lets pages of the given origins read answers, and answers their
// preflights. An origin is scheme://host[:port], the host may begin with *. for
// its subdomains, and a lone * is every origin. Credentials a browser adds by
// itself (cookies) are never let through: a token is sent by the page or not
// at all. Without origins nothing is let through.
func CORS(origins []string) (Middleware, error) {
	if len(origins) == 0 {
		return func(next http.Handler) http.Handler { return next }, nil
	}
	middleware, err := cors.NewMiddleware(cors.Config{
		Origins: origins,
		Methods: []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		// The star covers Mcp-Param-*, whose names are the tools'; browsers do
		// not let it cover Authorization.
		RequestHeaders:  []string{"*", "Authorization"},
		ResponseHeaders: []string{"Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate", "Retry-After", "X-Request-Id"},
		MaxAgeInSeconds: 7200,
	})
	if err != nil {
		return nil, errors.New("CORS_ALLOW_ORIGINS: " + err.Error())
	}
	return middleware.Wrap, nil
}
