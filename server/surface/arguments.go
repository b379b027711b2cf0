package surface

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/prynai/prynai-mcp/server/internal/jsonobject"
)

// bind decodes the arguments; its errors are for the model.
func bind(request mcp.CallToolRequest, schema *jsonschema.Schema, in any) error {
	text := []byte(request.Params.RawArguments)
	if len(text) == 0 && request.Params.Arguments != nil { // a call that did not come as JSON
		var err error
		if text, err = json.Marshal(request.Params.Arguments); err != nil {
			return err
		}
	}
	var room [8]argument // for as many as most tools have
	given, isObject := arguments(text, room[:0])
	for _, name := range schema.Required {
		if !slices.ContainsFunc(given, func(a argument) bool { return string(a.name) == name && !a.null }) {
			return fmt.Errorf("argument %q is missing", name)
		}
	}
	for _, a := range given {
		if schema.Properties[string(a.name)] == nil {
			return fmt.Errorf("there is no argument %q; the arguments are: %s", a.name, strings.Join(schema.PropertyOrder, ", "))
		}
	}
	switch {
	case !isObject:
		return errors.New("the arguments must be an object")
	case len(given) == 0:
		return nil
	}
	err := json.Unmarshal(text, in)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("argument %q must be %s, not %s", wrongType.Field, article(schema.Properties[wrongType.Field]), wrongType.Value)
	}
	return err
}

// argument is one that was given, perhaps as null.
type argument struct {
	name []byte
	null bool
}

// arguments appends the members of an object; nothing and null are an empty one.
func arguments(text []byte, given []argument) (all []argument, isObject bool) {
	if len(text) == 0 || string(text) == "null" {
		return nil, true
	}
	o, isObject := jsonobject.Open(text)
	for isObject && o.Next() {
		given = append(given, argument{o.Name, string(o.Value) == "null"})
	}
	if o.Plain {
		return given, isObject
	}
	var members map[string]json.RawMessage // some name is written with escapes
	if json.Unmarshal(text, &members) != nil {
		return nil, false
	}
	given = given[:0]
	for name, value := range members {
		given = append(given, argument{[]byte(name), string(value) == "null"})
	}
	return given, true
}

func article(property *jsonschema.Schema) string {
	switch {
	case property == nil:
		return "of another type"
	case property.Type == "integer":
		return "an integer of at most 64 bits"
	default:
		return "a " + property.Type
	}
}
