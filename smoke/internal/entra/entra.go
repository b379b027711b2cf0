// Package entra gets an access token for the server from Microsoft Entra ID.
//
// With a client secret in the settings it is the OAuth client-credentials
// grant. Without one the credentials of the environment are tried in order:
// a secret or certificate in AZURE_ variables, workload identity, managed
// identity, and whoever is signed in to the Azure CLI. The first that this
// environment has decides: when Entra refuses it, the others are not tried,
// because the refusal is what has to be fixed.
package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/prynai/prynai-mcp/smoke/internal/settings"
)

// Token is an access token and where it came from.
type Token struct {
	Raw        settings.Secret
	Credential string // the kind of credential that Entra accepted
	Expires    time.Time
	Claims     Claims
}

// Fetch gets a token for the scope of s over rt.
func Fetch(ctx context.Context, s settings.Settings, rt http.RoundTripper) (Token, error) {
	var failures []string
	for _, c := range credentials(s) {
		sender := &sender{client: &http.Client{Transport: rt, Timeout: 20 * time.Second}}
		token, err := c.get(ctx, s.Scope(), sender)
		if err == nil {
			claims, err := ReadClaims(token.Token)
			if err != nil {
				return Token{}, &Error{Credential: c.name, Message: err.Error()}
			}
			return Token{Raw: settings.Secret(token.Token), Credential: c.name, Expires: token.ExpiresOn, Claims: claims}, nil
		}
		network := sender.lastError()
		e := explain(c.name, settings.Redact(err.Error(), s.ClientSecret), err, network)
		if c.sole || refused(err) || network != nil && !c.probed || ctx.Err() != nil {
			return Token{}, e
		}
		failures = append(failures, e.Error())
	}
	return Token{}, &Error{
		Credential: "none",
		Message:    "this environment has no credential (" + strings.Join(failures, "; ") + ")",
	}
}

// Error is a token that could not be had.
type Error struct {
	Credential string
	Code       string // Entra's, such as AADSTS7000215, or ""
	Message    string // one line, fit to print
	Cause      error  // the failure of the network beneath, or nil
}

func (e *Error) Error() string { return e.Credential + ": " + e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// credential is one way to identify this client to Entra.
type credential struct {
	name   string
	sole   bool // there is no other
	probed bool // whether it is there shows only in whether somebody answers
	limit  time.Duration
	make   func(policy.ClientOptions) (azcore.TokenCredential, error)
}

func (c credential) get(ctx context.Context, scope string, sender *sender) (azcore.AccessToken, error) {
	if c.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.limit)
		defer cancel()
	}
	credential, err := c.make(policy.ClientOptions{
		Transport: sender,
		// One more try for a dropped connection. The library's own three, with
		// growing pauses, would use up the time that the whole run has.
		Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: time.Second},
	})
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
}

// credentials lists what is tried, in order.
func credentials(s settings.Settings) []credential {
	authority := cloud.Configuration{ActiveDirectoryAuthorityHost: s.Authority + "/"}
	// Instance discovery asks Microsoft whether the authority is one of its
	// own, which an authority of somebody else's never is.
	foreign := s.CustomAuthority()
	if s.ClientSecret != "" {
		return []credential{{name: "client secret", sole: true, make: func(o policy.ClientOptions) (azcore.TokenCredential, error) {
			o.Cloud = authority
			return azidentity.NewClientSecretCredential(s.TenantID, s.ClientID, s.ClientSecret.Reveal(),
				&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: foreign})
		}}}
	}
	return []credential{
		{name: "AZURE_ variables", make: func(o policy.ClientOptions) (azcore.TokenCredential, error) {
			o.Cloud = authority
			return azidentity.NewEnvironmentCredential(
				&azidentity.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: foreign})
		}},
		{name: "workload identity", make: func(o policy.ClientOptions) (azcore.TokenCredential, error) {
			o.Cloud = authority
			return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: o, DisableInstanceDiscovery: foreign, ClientID: s.ClientID, TenantID: s.TenantID})
		}},
		// Outside Azure nobody answers at the metadata address; that has to be
		// found out quickly.
		{name: "managed identity", probed: true, limit: 3 * time.Second, make: func(o policy.ClientOptions) (azcore.TokenCredential, error) {
			options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
			if s.ClientID != "" {
				options.ID = azidentity.ClientID(s.ClientID)
			}
			return azidentity.NewManagedIdentityCredential(options)
		}},
		{name: "Azure CLI", make: func(policy.ClientOptions) (azcore.TokenCredential, error) {
			return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: s.TenantID})
		}},
	}
}

// sender is the libraries' HTTP client. It remembers the last failure, because
// they hand on the text of one at best.
type sender struct {
	client *http.Client
	mu     sync.Mutex
	last   error
}

func (s *sender) Do(r *http.Request) (*http.Response, error) {
	resp, err := s.client.Do(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
	return resp, err
}

func (s *sender) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// refused tells whether a credential was there and Entra did not accept it.
func refused(err error) bool {
	var failed *azidentity.AuthenticationFailedError
	return errors.As(err, &failed) && failed.RawResponse != nil
}

var entraCode = regexp.MustCompile(`AADSTS\d+`)

// explain makes one line of a failure; text is the error's, redacted.
func explain(name, text string, err, network error) *Error {
	e := &Error{Credential: name, Message: firstLine(text), Code: entraCode.FindString(text), Cause: network}
	switch {
	case refused(err):
		if e.Message = description(text); e.Message == "" {
			e.Message = "Entra refused, without words"
		}
	case network != nil:
		e.Message = firstLine(withoutURL(network))
	}
	return e
}

// withoutURL shortens an HTTP client's error to the host and what happened.
func withoutURL(err error) string {
	var sending *url.Error
	if !errors.As(err, &sending) {
		return err.Error()
	}
	if u, parseErr := url.Parse(sending.URL); parseErr == nil {
		return u.Host + ": " + sending.Err.Error()
	}
	return sending.Err.Error()
}

// description finds Entra's error_description in the library's error, which
// renders the body in full: its first sentence names the problem, the rest is
// trace ids.
func description(text string) string {
	start, end := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if start < 0 || end < start {
		return ""
	}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal([]byte(text[start:end+1]), &body) != nil {
		return ""
	}
	if body.Description == "" {
		return body.Error
	}
	d, _, _ := strings.Cut(body.Description, "\n")
	d, _, _ = strings.Cut(d, " Trace ID:")
	return firstLine(d)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s, _, _ = strings.Cut(s, ". To troubleshoot, visit")
	const limit = 400
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return strings.TrimSpace(s)
}
