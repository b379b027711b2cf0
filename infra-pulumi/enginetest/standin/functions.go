package standin

import (
	"fmt"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
)

// call answers a function of azure-native. Like the real ones, the answers are not
// marked as secret.
func (c *Cloud) call(token string, args object) (object, error) {
	for name, v := range args {
		if _, unknown := v.(armtypes.Unknown); unknown {
			return nil, fmt.Errorf("%s was called with an unknown %s", token, name)
		}
	}
	arg := func(name string) string { s, _ := args[name].(string); return s }
	provider := func(path string) string {
		return groupID(c.options.Subscription, arg("resourceGroupName")) + "/providers/" + path
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch token[strings.LastIndexByte(token, ':')+1:] {
	case "getClientConfig":
		return object{
			"clientId": guid("client"), "objectId": guid("object"), "tenantId": guid("tenant"),
			"subscriptionId": c.options.Subscription,
		}, nil
	case "getClientToken":
		return object{"token": Token}, nil
	case "listRegistryCredentials":
		id := provider(registryType + "/" + arg("registryName"))
		if r := c.find(id); r != nil && r.inputs["adminUserEnabled"] != true {
			return nil, azureError("UnAuthorizedForCredentialOperations", "Cannot perform credential operations for %s as admin user is disabled.", id)
		}
		return c.keys(id, func(first, second string) object {
			return object{"username": arg("registryName"), "passwords": []any{
				object{"name": "password", "value": first}, object{"name": "password2", "value": second}}}
		})
	case "getSharedKeys":
		return c.keys(provider(workspaceType+"/"+arg("workspaceName")), func(first, second string) object {
			return object{"primarySharedKey": first, "secondarySharedKey": second}
		})
	case "listRedisKeys":
		return c.keys(provider(classicType+"/"+arg("name")), redisKeys)
	case "listDatabaseKeys":
		id := provider(managedType + "/" + arg("clusterName") + "/databases/" + arg("databaseName"))
		if r := c.find(id); r != nil && r.inputs["accessKeysAuthentication"] != "Enabled" {
			return nil, azureError("BadRequest", "Access keys authentication is disabled for %s.", id)
		}
		return c.keys(id, redisKeys)
	}
	return nil, fmt.Errorf("the stand-in has no function %s: add it", token)
}

func redisKeys(first, second string) object {
	return object{"primaryKey": first, "secondaryKey": second}
}

// keys answers the two keys of a resource that exists.
func (c *Cloud) keys(id string, answer func(first, second string) object) (object, error) {
	r := c.find(id)
	if c.readOnly {
		return nil, azureError("AuthorizationFailed", "The client does not have authorization to perform a listKeys action over '%s'.", id)
	}
	if r == nil {
		return nil, azureError("ResourceNotFound", "The Resource '%s' was not found.", id)
	}
	return answer(secretsOf(r)), nil
}

func secretsOf(r *record) (first, second string) {
	seed := fmt.Sprintf("%s %d", r.id, r.rotations)
	return key(seed + " 1"), key(seed + " 2")
}

// Secrets lists the keys and passwords of everything there is, for tests that look
// for them where they must not be.
func (c *Cloud) Secrets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []string{Token}
	for _, r := range c.resources {
		switch r.kind.arm {
		case registryType, workspaceType, classicType, databaseType:
			first, second := secretsOf(r)
			out = append(out, first, second)
		}
	}
	return out
}

// Login tells whether a registry takes this user and password.
func (c *Cloud) Login(user, password string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.resources {
		if r.kind.arm != registryType || r.inputs["adminUserEnabled"] != true || r.inputs["registryName"] != user {
			continue
		}
		if first, second := secretsOf(r); password == first || password == second {
			return true
		}
	}
	return false
}
