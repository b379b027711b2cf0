package auth

import (
	"fmt"
	"net/http"
)

// An Error is a refusal with two texts: Description is ours and safe for the client, Cause is for the
// operator and may quote what the token said. Neither holds the token.
type Error struct {
	Status      int
	Code        string // as in RFC 6750; of this package for the two statuses it has no code for
	Description string
	Cause       string

	Principal Principal // who was refused, once that is known
	need      Requirement
}

func (e *Error) Error() string { return e.Code + ": " + e.Cause }

// The values of Error.Code.
const (
	codeNoToken           = "unauthorized" // never in WWW-Authenticate: RFC 6750 wants no error there
	CodeInvalidRequest    = "invalid_request"
	CodeInvalidToken      = "invalid_token"
	CodeInsufficientScope = "insufficient_scope"
	CodeUnavailable       = "temporarily_unavailable"
)

func noToken(cause string) *Error {
	return &Error{
		Status:      http.StatusUnauthorized,
		Code:        codeNoToken,
		Description: "This server needs an access token: send the header Authorization: Bearer <token>.",
		Cause:       cause,
	}
}

func invalidRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Description: description, Cause: description}
}

func invalidToken(description, cause string, args ...any) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: CodeInvalidToken, Description: description, Cause: fmt.Sprintf(cause, args...)}
}

func unavailable(cause string, args ...any) *Error {
	return &Error{
		Status:      http.StatusServiceUnavailable,
		Code:        CodeUnavailable,
		Description: "The identity provider's keys cannot be loaded at the moment. Nothing is wrong with the token; try again soon.",
		Cause:       fmt.Sprintf(cause, args...),
	}
}

// InsufficientScope is the refusal of a principal that lacks what is needed, for the server as a whole
// or for one tool.
func InsufficientScope(p Principal, need Requirement) *Error {
	return &Error{
		Status:      http.StatusForbidden,
		Code:        CodeInsufficientScope,
		Description: "The token is valid, but this needs " + need.String() + ".",
		Cause:       fmt.Sprintf("roles are %q and scopes %q, needed is %s", p.Roles, p.Scopes, need),
		Principal:   p,
		need:        need,
	}
}
