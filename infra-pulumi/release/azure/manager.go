package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

// apiVersion is the one that the program declares the app with.
const apiVersion = "2025-01-01"

// manager asks Azure Resource Manager.
type manager struct {
	login func(context.Context) (login, error)
	last  login
}

// login is somebody's at Azure.
type login struct {
	subscription string
	token        string // secret
	endpoint     string // https://management.azure.com
}

var client = &http.Client{Timeout: time.Minute}

// errNotFound tells that Azure has no such thing.
var errNotFound = errors.New("not found")

// armRevision is a revision as Azure describes it. What each state means was read in Azure's documentation; see
// docs/release.md for what was never seen.
type armRevision struct {
	Name       string `json:"name"`
	Properties struct {
		Active            bool      `json:"active"`
		CreatedTime       time.Time `json:"createdTime"`
		FQDN              string    `json:"fqdn"`
		HealthState       string    `json:"healthState"`
		ProvisioningState string    `json:"provisioningState"`
		ProvisioningError string    `json:"provisioningError"`
		RunningState      string    `json:"runningState"`
		TrafficWeight     int       `json:"trafficWeight"`
		Template          struct {
			Containers []struct {
				Image string `json:"image"`
			} `json:"containers"`
		} `json:"template"`
	} `json:"properties"`
}

func (r armRevision) image() string {
	if len(r.Properties.Template.Containers) == 0 {
		return ""
	}
	return r.Properties.Template.Containers[0].Image
}

func (r armRevision) revision() rollout.Revision {
	p := r.Properties
	made := rollout.Revision{
		Name: r.Name, Image: r.image(), Active: p.Active, Weight: p.TrafficWeight, URL: "https://" + p.FQDN + "/mcp",
		Ready: p.Active && p.HealthState == "Healthy" && strings.HasPrefix(p.RunningState, "Running"), // or RunningAtMaxScale
	}
	if p.Active && (p.ProvisioningState == "Failed" || p.RunningState == "Failed" || p.RunningState == "Degraded") {
		made.Problem = strings.TrimSpace(fmt.Sprintf("Azure calls it %s; %s", strings.ToLower(p.RunningState), p.ProvisioningError))
	}
	return made
}

// revisions lists an app's revisions, the oldest first; none where there is no app.
func (m *manager) revisions(ctx context.Context, group, app string) ([]armRevision, error) {
	var all []armRevision
	for next := revisionsPath(group, app); next != ""; {
		var page struct {
			Value    []armRevision `json:"value"`
			NextLink string        `json:"nextLink"`
		}
		err := m.do(ctx, http.MethodGet, next, &page)
		if errors.Is(err, errNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the revisions of %s: %w", app, err)
		}
		all, next = append(all, page.Value...), page.NextLink
	}
	slices.SortStableFunc(all, func(a, b armRevision) int { return a.Properties.CreatedTime.Compare(b.Properties.CreatedTime) })
	return all, nil
}

func (m *manager) revision(ctx context.Context, group, app, name string) (armRevision, error) {
	var r armRevision
	if err := m.do(ctx, http.MethodGet, revisionsPath(group, app)+"/"+url.PathEscape(name), &r); err != nil {
		return r, fmt.Errorf("read revision %s: %w", name, err)
	}
	return r, nil
}

// act activates or deactivates a revision.
func (m *manager) act(ctx context.Context, group, app, name, action string) error {
	if err := m.do(ctx, http.MethodPost, revisionsPath(group, app)+"/"+url.PathEscape(name)+"/"+action, nil); err != nil {
		return fmt.Errorf("%s revision %s: %w", action, name, err)
	}
	return nil
}

// revisionsPath is within a subscription.
func revisionsPath(group, app string) string {
	return "/resourceGroups/" + url.PathEscape(group) + "/providers/Microsoft.App/containerApps/" + url.PathEscape(app) + "/revisions"
}

// do sends a request, with another token where Azure does not take the last one any more.
func (m *manager) do(ctx context.Context, method, path string, into any) error {
	for again := false; ; again = true {
		if m.last.token == "" {
			login, err := m.login(ctx)
			if err != nil {
				return err
			}
			m.last = login
		}
		status, err := m.send(ctx, method, path, into)
		if status != http.StatusUnauthorized || again {
			return err
		}
		m.last = login{}
	}
}

func (m *manager) send(ctx context.Context, method, path string, into any) (status int, err error) {
	address := m.last.endpoint + "/subscriptions/" + m.last.subscription + path + "?api-version=" + apiVersion
	if strings.HasPrefix(path, m.last.endpoint+"/") {
		address = path // the link to a next page is whole
	}
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+m.last.token)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // nothing is lost: the body was read or is not wanted
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	switch {
	case err != nil:
		return response.StatusCode, err
	case response.StatusCode == http.StatusNotFound:
		return response.StatusCode, fmt.Errorf("%w: %s", errNotFound, refusal(response, body))
	case response.StatusCode >= 300:
		return response.StatusCode, errors.New(refusal(response, body))
	case into == nil:
		return response.StatusCode, nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return response.StatusCode, fmt.Errorf("%s answered something else than Azure would; is a proxy in between?", request.URL.Host)
	}
	return response.StatusCode, nil
}

// refusal is what Azure says.
func refusal(response *http.Response, body []byte) string {
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error.Code == "" {
		return "Azure answered " + response.Status
	}
	return fmt.Sprintf("Azure answered %s: %s: %s", response.Status, said.Error.Code, said.Error.Message)
}
