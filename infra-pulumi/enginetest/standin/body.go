package standin

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
)

// check finds what Azure would refuse in the inputs of a resource.
func (c *Cloud) check(k kind, inputs object) []armtypes.Problem {
	if c.options.Types == nil {
		return nil
	}
	t, ok := c.options.Types.Resource(k.arm, k.api)
	if !ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unchecked[k.arm+"@"+k.api] = true
		return nil
	}
	return t.Check(body(k, t, inputs))
}

// body un-flattens azure-native's inputs into the body of the request: what the
// type has at its top stays there, all else goes under "properties".
func body(k kind, t *armtypes.Resource, inputs object) object {
	inputs = identities(inputs).(object)
	if configuration, ok := inputs["redisConfiguration"].(object); ok && k.arm == classicType {
		inputs["redisConfiguration"] = hyphenated(configuration)
	}
	out, inner := object{"name": inputs[k.ownName()]}, object{}
	for name, v := range inputs {
		switch {
		case k.inURL(name):
		case t.Has(name) && name != "properties":
			out[name] = v
		default:
			inner[name] = v
		}
	}
	if len(inner) > 0 {
		out["properties"] = inner
	}
	return out
}

// identities turns azure-native's lists of user-assigned identities into Azure's maps.
func identities(v any) any {
	switch v := v.(type) {
	case armtypes.Secret:
		return armtypes.Secret{Value: identities(v.Value)}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = identities(e)
		}
		return out
	case object:
		out := object{}
		for name, e := range v {
			out[name] = identities(e)
			if list, ok := e.([]any); ok && name == "userAssignedIdentities" {
				byID := object{}
				for _, id := range list {
					byID[fmt.Sprint(plain(id))] = object{}
				}
				out[name] = byID
			}
		}
		return out
	}
	return v
}

// hyphenated turns azure-native's maxmemoryPolicy into Azure's maxmemory-policy: the
// settings of a classic Redis are named as Redis names them.
func hyphenated(settings object) object {
	out := object{}
	for name, v := range settings {
		var b strings.Builder
		for _, r := range name {
			if unicode.IsUpper(r) {
				b.WriteByte('-')
			}
			b.WriteRune(unicode.ToLower(r))
		}
		out[b.String()] = v
	}
	return out
}
