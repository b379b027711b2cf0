package standin

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Handler answers what of Azure Resource Manager's REST API has no Pulumi resource: which
// resource providers are registered, and an app's revisions, read, activated and
// deactivated. It wants the token that the
// provider's getClientToken answers.
func (c *Cloud) Handler() http.Handler {
	const app = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.App/containerApps/{app}"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subscriptions/{subscription}/providers/{namespace}", c.serveProvider)
	mux.HandleFunc("GET "+app+"/revisions", c.serveRevisions)
	mux.HandleFunc("GET "+app+"/revisions/{revision}", c.serveRevision)
	mux.HandleFunc("POST "+app+"/revisions/{revision}/activate", c.serveActive(true))
	mux.HandleFunc("POST "+app+"/revisions/{revision}/deactivate", c.serveActive(false))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+Token:
			refuse(w, http.StatusUnauthorized, azureError("AuthenticationFailed", "Authentication failed."))
		case r.URL.Query().Get("api-version") == "":
			refuse(w, http.StatusBadRequest, azureError("MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."))
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func (c *Cloud) serveProvider(w http.ResponseWriter, r *http.Request) {
	namespace, state := r.PathValue("namespace"), "Registered"
	c.mu.Lock()
	if c.missing[namespace] {
		state = "NotRegistered"
	}
	c.mu.Unlock()
	answer(w, map[string]string{"namespace": namespace, "registrationState": state})
}

// revisionBody is a revision as Azure answers it.
type revisionBody struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Properties revisionProperties `json:"properties"`
}

type revisionProperties struct {
	Active            bool           `json:"active"`
	FQDN              string         `json:"fqdn"`
	HealthState       string         `json:"healthState"`
	ProvisioningState string         `json:"provisioningState"`
	RunningState      string         `json:"runningState"`
	TrafficWeight     int            `json:"trafficWeight"`
	Template          map[string]any `json:"template"`
}

func (r Revision) body() revisionBody {
	b := revisionBody{
		ID: r.App + "/revisions/" + r.Name, Name: r.Name, Type: appType + "/revisions",
		Properties: revisionProperties{Active: r.Active, FQDN: r.FQDN, TrafficWeight: r.Weight, Template: r.Template,
			HealthState: "None", ProvisioningState: "Provisioned", RunningState: "Stopped"},
	}
	switch {
	case r.Ready:
		b.Properties.HealthState, b.Properties.RunningState = "Healthy", "Running"
	case r.Active:
		b.Properties.ProvisioningState, b.Properties.RunningState = "Provisioning", "Activating"
	}
	return b
}

func (c *Cloud) serveRevisions(w http.ResponseWriter, r *http.Request) {
	revisions, err := c.revisionsOf(appID(r))
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	list := struct {
		Value []revisionBody `json:"value"`
	}{Value: []revisionBody{}}
	for _, revision := range revisions {
		list.Value = append(list.Value, revision.body())
	}
	answer(w, list)
}

func (c *Cloud) serveRevision(w http.ResponseWriter, r *http.Request) {
	revisions, err := c.revisionsOf(appID(r))
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	for _, revision := range revisions {
		if revision.Name == r.PathValue("revision") {
			answer(w, revision.body())
			return
		}
	}
	refuse(w, http.StatusNotFound, azureError("RevisionNotFound", "The revision %s does not exist.", r.PathValue("revision")))
}

func (c *Cloud) serveActive(active bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := c.setActive(appID(r), r.PathValue("revision"), active); err != nil {
			refuse(w, http.StatusBadRequest, err)
		}
	}
}

// appID is the app's ID in the path of a request for its revisions.
func appID(r *http.Request) string {
	id, _, _ := strings.Cut(r.URL.Path, "/revisions")
	return id
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // who asked sees a short answer itself
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": err}) // as above
}
