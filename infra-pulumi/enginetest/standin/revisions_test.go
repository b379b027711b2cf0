package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// apps is a fixture with an app to change.
type apps struct {
	fixture
	unready map[string]bool // by image
}

func newApps(t *testing.T) apps {
	a := apps{unready: map[string]bool{}}
	a.fixture = newFixture(t, Options{Ready: func(r Revision) bool { return !a.unready[image(r)] }})
	a.mustCreate(appToken, "app", appInputs(a.group()))
	return a
}

func image(r Revision) string {
	return r.Template["containers"].([]any)[0].(object)["image"].(string)
}

// deploy asks for another image, mode and traffic; the names in the traffic are images.
func (a apps) deploy(imageName, mode string, traffic ...any) error {
	return a.cloud.Change("app", func(in map[string]any) {
		in["template"].(object)["containers"].([]any)[0].(object)["image"] = imageName
		in["configuration"].(object)["activeRevisionsMode"] = mode
		in["configuration"].(object)["ingress"].(object)["traffic"] = traffic
	})
}

func (a apps) entry(imageName string, weight float64) any {
	for _, r := range a.revisions() {
		if image(r) == imageName {
			return object{"revisionName": r.Name, "weight": weight}
		}
	}
	return object{"revisionName": "unknown", "weight": weight}
}

func (a apps) revisions() []Revision {
	a.Helper()
	revisions, err := a.cloud.Revisions("app")
	if err != nil {
		a.Fatal(err)
	}
	return revisions
}

// want says what there is: each image with its traffic, "off" where it is not active.
func (a apps) want(want string) {
	a.Helper()
	var all []string
	for _, r := range a.revisions() {
		state := fmt.Sprintf("%s=%d", image(r), r.Weight)
		if !r.Active {
			state = image(r) + "=off"
		}
		all = append(all, state)
	}
	if got := strings.Join(all, " "); got != want {
		a.Errorf("got %s, want %s", got, want)
	}
}

func (a apps) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a apps) refused(err error, why string) {
	a.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		a.Errorf("got %v, want a refusal with %q", err, why)
	}
}

func TestSingleModeSwitchesWhenReady(t *testing.T) {
	a := newApps(t)
	a.want("one=100")
	a.must(a.deploy("one", "Single"))
	a.want("one=100") // another configuration is no other revision
	a.unready["two"] = true
	a.must(a.deploy("two", "Single"))
	a.want("one=100 two=0")
	a.unready["two"] = false
	a.want("one=off two=100")
}

func TestMultipleModeFollowsTheEntries(t *testing.T) {
	a := newApps(t)
	a.must(a.deploy("one", "Multiple", a.entry("one", 100)))
	a.must(a.deploy("two", "Multiple", a.entry("one", 100)))
	a.want("one=100 two=0")
	a.must(a.deploy("two", "Multiple", a.entry("one", 90), object{"latestRevision": true, "weight": 10.0}))
	a.want("one=90 two=10")
	a.must(a.deploy("two", "Multiple"))
	a.want("one=0 two=100")

	a.refused(a.deploy("three", "Multiple", a.entry("nobody", 100)), "does not exist")
	a.refused(a.deploy("three", "Multiple", a.entry("one", 60), a.entry("two", 60)), "add up to 120")
	a.want("one=0 two=100") // what is refused leaves nothing
}

func TestRevisionSuffixIsUsedOnce(t *testing.T) {
	a := newApps(t)
	suffix := func(s, imageName string) error {
		return a.cloud.Change("app", func(in map[string]any) {
			in["template"].(object)["revisionSuffix"] = s
			in["template"].(object)["containers"].([]any)[0].(object)["image"] = imageName
		})
	}
	a.must(suffix("v1", "two"))
	a.must(suffix("v1", "two")) // the same template again
	a.refused(suffix("v1", "three"), "suffix v1 already exists")
	a.must(suffix("v2", "three"))
	a.want("one=off two=off three=100")
}

func TestHandler(t *testing.T) {
	a := newApps(t)
	a.must(a.deploy("one", "Multiple", a.entry("one", 100)))
	a.must(a.deploy("two", "Multiple", a.entry("one", 100)))
	web := httptest.NewServer(a.cloud.Handler())
	defer web.Close()
	app := a.revisions()[0].App
	do := func(method, path, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, nil)
		a.must(err)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		a.must(err)
		defer func() { a.must(response.Body.Close()) }()
		var body any
		if response.ContentLength != 0 {
			a.must(json.NewDecoder(response.Body).Decode(&body))
		}
		return response.StatusCode, fmt.Sprint(body)
	}
	one, two := app+"/revisions/"+a.revisions()[0].Name, app+"/revisions/"+a.revisions()[1].Name
	const version = "?api-version=2025-01-01"
	for _, test := range []struct {
		method, path, token string
		status              int
		body, then          string
	}{
		{"GET", one + version, "guess", 401, "AuthenticationFailed", "one=100 two=0"},
		{"GET", one, Token, 400, "api-version", "one=100 two=0"},
		{"GET", app + "/revisions" + version, Token, 200, "trafficWeight:100", "one=100 two=0"},
		{"GET", two + version, Token, 200, "runningState:Running", "one=100 two=0"},
		{"GET", app + "/revisions/other" + version, Token, 404, "does not exist", "one=100 two=0"},
		{"GET", app + "-other/revisions" + version, Token, 404, "was not found", "one=100 two=0"},
		{"POST", one + "/deactivate" + version, Token, 400, "100 per cent of the traffic", "one=100 two=0"},
		{"POST", two + "/deactivate" + version, Token, 200, "", "one=100 two=off"},
		{"GET", two + version, Token, 200, "active:false", "one=100 two=off"},
		{"POST", two + "/activate" + version, Token, 200, "", "one=100 two=0"},
	} {
		status, body := do(test.method, test.path, test.token)
		if status != test.status || !strings.Contains(body, test.body) {
			t.Errorf("%s %s: got %d %s, want %d and %q", test.method, test.path, status, body, test.status, test.body)
		}
		a.want(test.then)
	}
	_, _ = do("POST", two+"/deactivate"+version, Token)
	a.refused(a.deploy("two", "Multiple", a.entry("two", 100)), "not active")
}
