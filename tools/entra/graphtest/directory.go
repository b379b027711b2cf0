// Package graphtest is a local stand-in for the requests of Microsoft Graph
// that register applications and grant permissions.
//
// It keeps what it is given in memory and is as strict as Graph where that has
// consequences: unknown properties are refused, a permission is known only in
// the request after the one that made it, enabled permissions cannot be
// removed, and what was just made is not found for a while (Lag). Every request
// that is to change something is written down.
package graphtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"
)

// What the stand-in is and takes.
const (
	TenantID = "11111111-2222-3333-4444-555555555555"
	Token    = "token-of-the-test"
)

// Directory is a tenant. Its zero value is not ready; see New.
type Directory struct {
	// Lag is how long other requests do not know what was just made.
	Lag time.Duration

	mu          sync.Mutex
	made        int
	apps        []*application
	principals  []*principal
	assignments []assignment
	consents    []*consent
	deleted     map[string]bool // unique names that deleted applications keep
	faults      []*Fault
	writes      []string
	secrets     []string
}

// New is a tenant in which nothing is registered.
func New() *Directory { return &Directory{deleted: map[string]bool{}} }

// Fault is an answer that the stand-in gives instead of its own.
type Fault struct {
	Method, Path  string // Path: a regular expression
	Status        int
	Code, Message string
	RetryAfter    string
	Skip          int  // so many matching requests pass first
	Times         int  // how often; 0: always
	Late          bool // the request took effect, only its answer is lost
}

// Fail adds a fault.
func (d *Directory) Fail(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, &f)
}

// Heal removes all faults.
func (d *Directory) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = nil
}

// Writes lists the requests so far that were to change something, refused ones
// too, and forgets them.
func (d *Directory) Writes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	writes := d.writes
	d.writes = nil
	return writes
}

// Secrets are all client secrets that were ever made.
func (d *Directory) Secrets() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.secrets...)
}

// Do answers a request without a network: it makes the directory a transport.
func (d *Directory) Do(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// reply is an answer; refuse makes one that is an error.
type reply struct {
	status int
	body   any
}

func refuse(status int, code, message string) reply {
	return reply{status, map[string]any{"error": map[string]any{"code": code, "message": message}}}
}

var notFound = refuse(http.StatusNotFound, "Request_ResourceNotFound",
	"Resource does not exist or one of its queried reference-property objects are not present.")

func badRequest(message string) reply {
	return refuse(http.StatusBadRequest, "Request_BadRequest", message)
}

// ServeHTTP answers as Graph does, under /v1.0.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1.0")
	if r.Method != http.MethodGet {
		d.writes = append(d.writes, r.Method+" "+path)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "request-of-the-test")
	answer := d.answer(w, r, path)
	w.WriteHeader(answer.status)
	if answer.body != nil {
		_ = json.NewEncoder(w).Encode(answer.body)
	}
}

func (d *Directory) answer(w http.ResponseWriter, r *http.Request, path string) reply {
	if r.Header.Get("Authorization") != "Bearer "+Token {
		return refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	}
	fault := d.fault(r.Method, path)
	if fault == nil || fault.Late {
		answer := d.route(r, path)
		if fault == nil {
			return answer
		}
	}
	if fault.RetryAfter != "" {
		w.Header().Set("Retry-After", fault.RetryAfter)
	}
	return refuse(fault.Status, fault.Code, fault.Message)
}

func (d *Directory) fault(method, path string) *Fault {
	for i, f := range d.faults {
		if f.Method != method || !regexp.MustCompile(f.Path).MatchString(path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			return nil
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				d.faults = append(d.faults[:i:i], d.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

// routes are the requests that the stand-in knows.
var routes = []struct {
	method string
	path   *regexp.Regexp
	answer func(d *Directory, r *http.Request, key string) reply
}{
	{"GET", regexp.MustCompile(`^/organization()$`), (*Directory).organization},
	{"GET", regexp.MustCompile(`^/applications\(uniqueName='([^']+)'\)$`), (*Directory).getApplication},
	{"PATCH", regexp.MustCompile(`^/applications\(uniqueName='([^']+)'\)$`), (*Directory).upsertApplication},
	{"PATCH", regexp.MustCompile(`^/applications/([^/]+)$`), (*Directory).patchApplication},
	{"POST", regexp.MustCompile(`^/applications/([^/]+)/addPassword$`), (*Directory).addPassword},
	{"GET", regexp.MustCompile(`^/servicePrincipals\(appId='([^']+)'\)$`), (*Directory).getPrincipal},
	{"POST", regexp.MustCompile(`^/servicePrincipals()$`), (*Directory).postPrincipal},
	{"GET", regexp.MustCompile(`^/servicePrincipals/([^/]+)/appRoleAssignments$`), (*Directory).listAssignments},
	{"POST", regexp.MustCompile(`^/servicePrincipals/([^/]+)/appRoleAssignedTo$`), (*Directory).postAssignment},
	{"GET", regexp.MustCompile(`^/oauth2PermissionGrants()$`), (*Directory).listConsents},
	{"POST", regexp.MustCompile(`^/oauth2PermissionGrants()$`), (*Directory).postConsent},
	{"PATCH", regexp.MustCompile(`^/oauth2PermissionGrants/([^/]+)$`), (*Directory).patchConsent},
}

func (d *Directory) route(r *http.Request, path string) reply {
	for _, route := range routes {
		if match := route.path.FindStringSubmatch(path); match != nil && route.method == r.Method {
			return route.answer(d, r, match[1])
		}
	}
	return badRequest("Resource not found for the segment " + path)
}

func (d *Directory) organization(*http.Request, string) reply {
	return reply{http.StatusOK, list([]any{map[string]string{"id": TenantID, "displayName": "Contoso"}})}
}

func list[T any](values []T) map[string]any {
	if values == nil {
		values = []T{}
	}
	return map[string]any{"value": values}
}

// id is a new one.
func (d *Directory) id() string {
	d.made++
	return fmt.Sprintf("aaaaaaaa-0000-0000-0000-%012d", d.made)
}

// visible tells whether what was made then is known everywhere by now.
func (d *Directory) visible(made time.Time) bool { return time.Since(made) >= d.Lag }

// decode reads a body that has no properties but those of body's type.
func decode(r *http.Request, body any) error {
	if r.Header.Get("Content-Type") != "application/json" {
		return fmt.Errorf("Content-Type is %q", r.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(body)
}
