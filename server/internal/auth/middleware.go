package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
)

// Middleware lets requests with a valid token through, their principal in the context and the token
// taken out, and answers all others. It does not touch the body.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, failure := bearer(r)
		if failure != nil {
			v.Deny(w, r, failure)
			return
		}
		p, err := v.verify(r.Context(), raw)
		if err != nil {
			v.Deny(w, r, err)
			return
		}
		// Nothing behind this needs the token, and what does not have it cannot pass it on.
		delete(r.Header, "Authorization")
		next.ServeHTTP(w, r.WithContext(withPrincipal(r.Context(), p)))
	})
}

// Deny answers with a refusal, and writes its cause to the audit log.
func (v *Verifier) Deny(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = unavailable("%v", err)
	}
	// The path alone: a query may hold a token.
	attributes := []slog.Attr{
		slog.Int("status", e.Status), slog.String("error", e.Code), slog.String("cause", e.Cause),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("remote", r.RemoteAddr),
	}
	if e.Principal.Kind != "" {
		attributes = append(attributes, slog.Any("principal", e.Principal))
	}
	v.log.LogAttrs(r.Context(), slog.LevelWarn, "denied", attributes...)
	v.challenge.write(w, e)
}

// Open stands in for Middleware with AUTH_REQUIRED=false: everyone is [Local].
func Open(next http.Handler) http.Handler {
	local := &Principal{Kind: Local}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(withPrincipal(r.Context(), local)))
	})
}

// bearer takes the token from the one place where it may be.
func bearer(r *http.Request) (string, *Error) {
	if r.URL.RawQuery != "" && r.URL.Query().Has("access_token") {
		return "", invalidRequest("The token must be sent in the Authorization header, never in the address.")
	}
	values := r.Header["Authorization"]
	switch len(values) {
	case 0:
		return "", noToken("no Authorization header")
	case 1:
	default:
		return "", invalidRequest("Send one Authorization header only.")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", noToken("the Authorization header is not of the Bearer scheme")
	}
	token = strings.Trim(token, " ")
	switch {
	case token == "":
		return "", invalidRequest("The Authorization header has no token behind Bearer.")
	case strings.ContainsAny(token, ", "):
		return "", invalidRequest("The Authorization header must hold one token and nothing else.")
	}
	return token, nil
}
