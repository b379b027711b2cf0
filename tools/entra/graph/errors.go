package graph

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Error is a request that Graph refused. Its text is for whoever runs the
// command: what was refused, in Graph's words, and what to do.
type Error struct {
	What    string // completes "cannot …"
	Status  int
	Code    string // Graph's, such as Authorization_RequestDenied
	Message string
	Request string // what Microsoft's support asks for
	Advice  string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("cannot %s: Graph answers %d", e.What, e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Request != "" {
		text += " (request " + e.Request + ")"
	}
	if e.Advice != "" {
		text += "\n" + e.Advice
	}
	return text
}

// refusal reads an answer that is not a success. Answers to requests that make
// secrets hold none when they fail.
func refusal(op operation, resp *http.Response) error {
	e := &Error{What: op.what, Status: resp.StatusCode, Request: resp.Header.Get("Request-Id")}
	var body struct {
		Error struct {
			Code, Message string
			Details       []struct{ Code string }
		}
	}
	// A proxy's error page is no JSON; then the status has to do.
	if text, err := runtime.Payload(resp); err == nil && json.Unmarshal(text, &body) == nil {
		e.Code, e.Message = body.Error.Code, body.Error.Message
		if len(body.Error.Details) > 0 {
			e.Code = cmp.Or(body.Error.Details[0].Code, e.Code)
		}
	}
	e.Advice = advice(op, e)
	return e
}

func advice(op operation, e *Error) string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "Sign in again: az login --tenant TENANT --allow-no-subscriptions"
	case e.Status == http.StatusForbidden:
		return fmt.Sprintf("A person needs one of the directory roles: %s.\nAn application or managed identity needs the Graph permission %s, with admin consent.\n"+
			"Activate the role if it is only eligible (Privileged Identity Management) and sign in again, or let an administrator run this same command with --no-secret: it goes on where this one stopped.", op.roles, op.permission)
	case strings.Contains(e.Message, "property uniqueName already exists"):
		return "An app of this name was deleted less than 30 days ago, and keeps the name until then.\n" +
			"Restore it or delete it for good (Entra admin center > App registrations > Deleted applications), or choose another --name."
	case e.Code == "CredentialTypeNotAllowedAsPerAppPolicy":
		return "The tenant's policy forbids client secrets: use --no-secret, and let the client sign in by workload identity, managed identity or the Azure CLI."
	case e.Code == "CredentialInvalidLifetimeAsPerAppPolicy":
		return "The tenant's policy wants secrets to end sooner: use a smaller --secret-days."
	case e.Status == http.StatusConflict:
		return "Somebody changes the same at this moment. Run the same command again: it goes on where this one stopped."
	case IsNotThereYet(e):
		return "Entra has not caught up with what was just made. Run the same command again in a few minutes: it goes on where this one stopped."
	case e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError:
		return "Graph is busy or has a problem. Run the same command again in a few minutes: it goes on where this one stopped."
	}
	return ""
}

// isNotFound tells whether Graph has no such object.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound
}

// isConflict tells whether what was to be made is there already. For grants
// Graph says so with 400.
func isConflict(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusConflict || strings.Contains(e.Message, "Permission being assigned already exists"))
}

// notThereYet are the words, beside status 404, in which Graph says that it
// does not know an object to which a request refers, though it was just made.
var notThereYet = []string{
	"does not reference a valid application object",
	"backing application of the service principal being created must",
	"does not exist or one of its queried reference-property objects are not present",
	"Not a valid reference update",
	"Specified resourceId was not found",
	"Permission being assigned was not found on application",
	"has a Permission Id that cannot be found",
}

// IsNotThereYet tells whether an error may be Entra's delay.
func IsNotThereYet(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	for _, words := range notThereYet {
		if strings.Contains(e.Message, words) {
			return true
		}
	}
	return e.Status == http.StatusNotFound
}
