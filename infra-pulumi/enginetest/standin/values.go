package standin

import (
	"maps"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// object is JSON as encoding/json decodes it; fresh from the engine it may hold
// armtypes.Unknown and armtypes.Secret.
type object = map[string]any

// marked converts a property, and keeps its marks.
func marked(v resource.PropertyValue) any {
	switch {
	case v.IsComputed(), v.IsOutput() && !v.OutputValue().Known:
		return armtypes.Unknown{}
	case v.IsOutput() && v.OutputValue().Secret:
		return armtypes.Secret{Value: marked(v.OutputValue().Element)}
	case v.IsOutput():
		return marked(v.OutputValue().Element)
	case v.IsSecret():
		return armtypes.Secret{Value: marked(v.SecretValue().Element)}
	case v.IsObject():
		return markedMap(v.ObjectValue())
	case v.IsArray():
		out := make([]any, len(v.ArrayValue()))
		for i, e := range v.ArrayValue() {
			out[i] = marked(e)
		}
		return out
	case v.IsNull():
		return nil
	}
	return v.V // a string, a bool or a float64
}

func markedMap(m resource.PropertyMap) object {
	out := object{}
	for k, v := range m {
		out[string(k)] = marked(v)
	}
	return out
}

// plain is a deep copy without the marks of secrets. Unknowns stay.
func plain(v any) any {
	switch v := v.(type) {
	case armtypes.Secret:
		return plain(v.Value)
	case object:
		out := object{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	return v
}

// properties converts back; unknowns become computed.
func properties(m object) resource.PropertyMap {
	return resource.NewPropertyMapFromMapRepl(m, nil, func(v any) (resource.PropertyValue, bool) {
		if _, unknown := v.(armtypes.Unknown); unknown {
			return resource.MakeComputed(resource.NewProperty("")), true
		}
		return resource.PropertyValue{}, false
	})
}

// lookup follows a path of names; nil where it leads nowhere.
func lookup(v any, path []string) any {
	for _, name := range path {
		m, _ := v.(object)
		v = m[name]
	}
	return v
}

// withSecrets marks in outputs what is secret in inputs, as azure-native does: an
// array with a secret within becomes one.
func withSecrets(outputs, inputs resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(outputs)
	for k, in := range inputs {
		v, ok := out[k]
		switch {
		case !ok:
		case v.IsObject() && in.IsObject():
			out[k] = resource.NewProperty(withSecrets(v.ObjectValue(), in.ObjectValue()))
		case in.ContainsSecrets():
			out[k] = resource.MakeSecret(v)
		}
	}
	return out
}

// drifted brings into the inputs of a resource what changed from its outputs in the
// state to those of now, and nothing else: what Azure does not read back, secrets
// above all, is not taken for a change.
func drifted(input, before, now resource.PropertyValue) resource.PropertyValue {
	before, now = unsecret(before), unsecret(now)
	switch {
	case before.DeepEquals(now):
		return input
	case input.IsSecret():
		return resource.MakeSecret(drifted(unsecret(input), before, now))
	case input.IsObject() && before.IsObject() && now.IsObject():
		return resource.NewProperty(driftedMap(input.ObjectValue(), before.ObjectValue(), now.ObjectValue()))
	}
	return now
}

func driftedMap(inputs, before, now resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(inputs)
	for k, v := range inputs {
		w, there := now[k]
		_, was := before[k]
		switch {
		case there:
			out[k] = drifted(v, before[k], w)
		case was:
			delete(out, k)
		}
	}
	return out
}

func unsecret(v resource.PropertyValue) resource.PropertyValue {
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v
}
