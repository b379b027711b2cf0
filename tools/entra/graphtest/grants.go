package graphtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

type principal struct {
	ID          string `json:"id"`
	AppID       string `json:"appId"`
	DisplayName string `json:"displayName"`

	made time.Time
}

type assignment struct {
	PrincipalID string `json:"principalId"`
	ResourceID  string `json:"resourceId"`
	AppRoleID   string `json:"appRoleId"`
}

type consent struct {
	ID          string  `json:"id"`
	ClientID    string  `json:"clientId"`
	ConsentType string  `json:"consentType"`
	ResourceID  string  `json:"resourceId"`
	PrincipalID *string `json:"principalId"`
	Scope       string  `json:"scope"`
}

// Identity adds one that is there beforehand, such as a managed identity.
func (d *Directory) Identity(appID, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.principals = append(d.principals, &principal{ID: d.id(), AppID: appID, DisplayName: name, made: time.Now().Add(-d.Lag)})
}

// Grants lists who was granted what: "client: Role", "client: scope (all users)".
func (d *Directory) Grants() (grants []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.assignments {
		resource := d.principal(a.ResourceID)
		app := d.find(func(app *application) bool { return app.AppID == resource.AppID })
		for _, role := range app.AppRoles {
			if role.ID == a.AppRoleID {
				grants = append(grants, d.principal(a.PrincipalID).DisplayName+": "+role.Value)
			}
		}
	}
	for _, c := range d.consents {
		grants = append(grants, d.principal(c.ClientID).DisplayName+": "+c.Scope+" (all users)")
	}
	return grants
}

// Consent adds scopes that a client was granted earlier.
func (d *Directory) Consent(client, resource, scopes string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of := func(name string) string {
		for _, p := range d.principals {
			if p.DisplayName == name {
				return p.ID
			}
		}
		panic("no principal " + name)
	}
	d.consents = append(d.consents, &consent{ID: d.id(), ClientID: of(client), ConsentType: "AllPrincipals", ResourceID: of(resource), Scope: scopes})
}

// principal finds one that requests know by now.
func (d *Directory) principal(id string) *principal {
	at := slices.IndexFunc(d.principals, func(p *principal) bool { return p.ID == id && d.visible(p.made) })
	if at < 0 {
		return nil
	}
	return d.principals[at]
}

func (d *Directory) getPrincipal(_ *http.Request, appID string) reply {
	for _, p := range d.principals {
		if p.AppID == appID && d.visible(p.made) {
			return reply{http.StatusOK, p}
		}
	}
	return notFound
}

func (d *Directory) postPrincipal(r *http.Request, _ string) reply {
	var given struct {
		AppID string `json:"appId"`
	}
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	app := d.seen(func(a *application) bool { return a.AppID == given.AppID })
	if app == nil {
		return badRequest("The appId '" + given.AppID + "' of the service principal does not reference a valid application object.")
	}
	if slices.ContainsFunc(d.principals, func(p *principal) bool { return p.AppID == given.AppID }) {
		return refuse(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "The service principal cannot be created because the service principal name is already in use.")
	}
	made := &principal{ID: d.id(), AppID: app.AppID, DisplayName: *app.DisplayName, made: time.Now()}
	d.principals = append(d.principals, made)
	return reply{http.StatusCreated, made}
}

func (d *Directory) listAssignments(r *http.Request, id string) reply {
	resource, ok := strings.CutPrefix(r.URL.Query().Get("$filter"), "resourceId eq ")
	if !ok {
		return badRequest("Invalid filter clause")
	}
	var found []assignment
	for _, a := range d.assignments {
		if a.PrincipalID == id && a.ResourceID == resource {
			found = append(found, a)
		}
	}
	return reply{http.StatusOK, list(found)}
}

func (d *Directory) postAssignment(r *http.Request, id string) reply {
	var given assignment
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	resource := d.principal(id)
	if resource == nil {
		return notFound
	}
	if given.ResourceID != id || d.principal(given.PrincipalID) == nil {
		return badRequest("Not a valid reference update.")
	}
	app := d.find(func(a *application) bool { return a.AppID == resource.AppID })
	known := slices.ContainsFunc(app.AppRoles, func(role appRole) bool {
		return role.ID == given.AppRoleID && role.IsEnabled && slices.Contains(role.AllowedMemberTypes, "Application")
	})
	if !known || !d.visible(app.rolesChanged) {
		return badRequest("Permission being assigned was not found on application '" + app.AppID + "'.")
	}
	if slices.Contains(d.assignments, given) {
		return badRequest("Permission being assigned already exists on the object")
	}
	d.assignments = append(d.assignments, given)
	return reply{http.StatusCreated, given}
}

func (d *Directory) listConsents(r *http.Request, _ string) reply {
	var found []*consent
	for _, c := range d.consents {
		if r.URL.Query().Get("$filter") == "clientId eq '"+c.ClientID+"' and resourceId eq '"+c.ResourceID+"' and consentType eq '"+c.ConsentType+"'" {
			found = append(found, c)
		}
	}
	return reply{http.StatusOK, list(found)}
}

func (d *Directory) postConsent(r *http.Request, _ string) reply {
	var given consent
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	if d.principal(given.ClientID) == nil || d.principal(given.ResourceID) == nil {
		return notFound
	}
	if given.ConsentType != "AllPrincipals" || given.Scope == "" {
		return badRequest("Invalid consent")
	}
	for _, c := range d.consents {
		if c.ClientID == given.ClientID && c.ResourceID == given.ResourceID {
			return refuse(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
		}
	}
	given.ID = d.id()
	d.consents = append(d.consents, &given)
	return reply{http.StatusCreated, given}
}

func (d *Directory) patchConsent(r *http.Request, id string) reply {
	var given struct {
		Scope string `json:"scope"`
	}
	if err := decode(r, &given); err != nil {
		return badRequest(err.Error())
	}
	for _, c := range d.consents {
		if c.ID == id {
			c.Scope = given.Scope
			return reply{status: http.StatusNoContent}
		}
	}
	return notFound
}
