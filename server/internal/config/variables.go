package config

import (
	"reflect"
	"slices"
)

// A Variable documents one environment variable.
type Variable struct {
	Name    string
	Default string
	Doc     string

	field   string
	want    string
	example string
}

// Variables lists every variable that [Load] reads.
func Variables() []Variable { return slices.Clone(variables) }

var variables = fromTags()

func fromTags() []Variable {
	var all []Variable
	for field := range reflect.TypeFor[Config]().Fields() {
		all = append(all, Variable{
			Name:    field.Tag.Get("env"),
			Default: field.Tag.Get("envDefault"),
			Doc:     field.Tag.Get("doc"),
			field:   field.Name,
			want:    field.Tag.Get("want"),
			example: field.Tag.Get("example"),
		})
	}
	return all
}
