package graph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretsPrintAsRedacted(t *testing.T) {
	var made Credential
	if err := json.Unmarshal([]byte(`{"hint": "hus", "secretText": "hush-hush"}`), &made); err != nil {
		t.Fatal(err)
	}
	if string(made.SecretText) != "hush-hush" {
		t.Errorf("the secret itself is %q", string(made.SecretText))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{made, &made, made.SecretText, []Secret{made.SecretText}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, "hush-hush") || strings.Contains(text, fmt.Sprintf("%x", "hush-hush")) {
				t.Errorf("%s of %T: %s", verb, value, text)
			}
		}
	}
	text, err := json.Marshal(made)
	if err != nil || strings.Contains(string(text), "hush-hush") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestDelaysAreTold(t *testing.T) {
	for _, tt := range []struct {
		status  int
		message string
		want    bool
	}{
		{404, "", true},
		{400, "The appId 'x' of the service principal does not reference a valid application object.", true},
		{400, "When using this permission, the backing application of the service principal being created must in the local tenant", true},
		{400, "Resource 'x' does not exist or one of its queried reference-property objects are not present.", true},
		{400, "Not a valid reference update.", true},
		{400, "Permission being assigned was not found on application 'x'.", true},
		{400, "Property api.preAuthorizedApplications.delegatedPermissionIds has a Permission Id that cannot be found in the AppPermissions sets.", true},
		{400, "Permission being assigned already exists on the object", false},
		{400, "Invalid filter clause", false},
		{403, "Insufficient privileges to complete the operation.", false},
		{409, "Request_MultipleObjectsWithSameKeyValue", false},
	} {
		if got := IsNotThereYet(fmt.Errorf("wrapped: %w", &Error{Status: tt.status, Message: tt.message})); got != tt.want {
			t.Errorf("%d %s: %v", tt.status, tt.message, got)
		}
	}
	if IsNotThereYet(nil) || IsNotThereYet(fmt.Errorf("no route to host")) {
		t.Error("what is not Graph's is taken for Graph's")
	}
}
