// Package armtypes checks the bodies of Azure Resource Manager requests against
// Azure's own type definitions, in the format of github.com/Azure/bicep-types-az.
//
// The definitions know names, types, enumerations, patterns and which properties
// are required, read-only or sensitive. They do not know quotas, regions, or rules
// that span properties; integer ranges stand only in their descriptions, which are
// read for that.
package armtypes

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Set holds resource types by "Microsoft.App/containerApps@2025-01-01"; case is
// ignored, as Azure does.
type Set struct{ resources map[string]*Resource }

// Resource is the type of one kind of resource at one API version.
type Resource struct {
	doc  document
	body *typ
}

// A document is one types file: references are indexes into it.
type document []typ

type typ struct {
	Kind       string              `json:"$type"`
	Name       string              `json:"name"`
	Value      string              `json:"value"` // of a StringLiteralType
	Properties map[string]property `json:"properties"`
	Additional *ref                `json:"additionalProperties"`
	Item       *ref                `json:"itemType"`
	Elements   []ref               `json:"elements"` // of a UnionType
	Body       *ref                `json:"body"`     // of a ResourceType
	Sensitive  bool                `json:"sensitive"`
	Pattern    string              `json:"pattern"`
	MinLength  *int                `json:"minLength"`
	MaxLength  *int                `json:"maxLength"`
	MinValue   *float64            `json:"minValue"`
	MaxValue   *float64            `json:"maxValue"`

	// Compiled from Pattern. Go's regexp has no lookahead; the types use it only
	// to bound a length, which is kept apart.
	patterns []*regexp.Regexp
}

type property struct {
	Type        ref    `json:"type"`
	Flags       flags  `json:"flags"`
	Description string `json:"description"`
}

type flags int

const (
	required flags = 1
	readOnly flags = 2
)

// ref is an index, written {"$ref": "#/12"}.
type ref int

func (r *ref) UnmarshalJSON(b []byte) error {
	var v struct {
		Ref string `json:"$ref"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(v.Ref, "#/"))
	if err != nil {
		return fmt.Errorf("reference %q: %w", v.Ref, err)
	}
	*r = ref(n)
	return nil
}

// Load reads every *.json file of a folder.
func Load(fsys fs.FS) (*Set, error) {
	files, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no type files: %w", fs.ErrNotExist)
	}
	s := &Set{resources: map[string]*Resource{}}
	for _, file := range files {
		if err := s.load(fsys, file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

func (s *Set) load(fsys fs.FS, file string) error {
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return err
	}
	var doc document
	if err := json.Unmarshal(b, &doc); err != nil {
		return err
	}
	for i := range doc {
		t := &doc[i]
		if err := t.compile(len(doc)); err != nil {
			return fmt.Errorf("type %d: %w", i, err)
		}
		if t.Kind == "ResourceType" {
			s.resources[strings.ToLower(t.Name)] = &Resource{doc: doc, body: &doc[*t.Body]}
		}
	}
	return nil
}

var lengthLookahead = regexp.MustCompile(`^\^\(\?=(\.\{\d+,\d+\}\$)\)`)

// compile checks the references and compiles the pattern.
func (t *typ) compile(types int) error {
	refs := slices.Clone(t.Elements)
	for _, p := range t.Properties {
		refs = append(refs, p.Type)
	}
	for _, r := range []*ref{t.Additional, t.Item, t.Body} {
		if r != nil {
			refs = append(refs, *r)
		}
	}
	for _, r := range refs {
		if r < 0 || int(r) >= types {
			return fmt.Errorf("reference to %d of %d types", r, types)
		}
	}
	if t.Kind == "ResourceType" && t.Body == nil {
		return fmt.Errorf("%s has no body", t.Name)
	}
	patterns := []string{t.Pattern}
	if m := lengthLookahead.FindStringSubmatch(t.Pattern); m != nil {
		patterns = []string{"^" + m[1], "^" + t.Pattern[len(m[0]):]}
	}
	for _, p := range patterns {
		if p == "" {
			continue
		}
		re, err := regexp.Compile(p)
		if err != nil {
			return err
		}
		t.patterns = append(t.patterns, re)
	}
	return nil
}

// Resource finds a type, for example "Microsoft.App/containerApps", "2025-01-01".
func (s *Set) Resource(resourceType, apiVersion string) (*Resource, bool) {
	r, ok := s.resources[strings.ToLower(resourceType+"@"+apiVersion)]
	return r, ok
}

// Names lists the types of the set in lower case, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.resources)) }

// Has tells whether name stands at the top of the request body, rather than under
// its "properties".
func (r *Resource) Has(name string) bool {
	_, ok := r.body.Properties[name]
	return ok
}

// Requires tells whether the request body must have name at its top.
func (r *Resource) Requires(name string) bool {
	return r.body.Properties[name].Flags&required != 0
}
