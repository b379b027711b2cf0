package armtypes

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Unknown stands for a value that is not known yet, as in a preview: it is taken
// to be right.
type Unknown struct{}

// Secret marks a value that its owner keeps secret; sensitive properties must be.
type Secret struct{ Value any }

// Problem is one finding; Path is like properties.template.containers[0].image.
type Problem struct{ Path, Reason string }

func (p Problem) String() string { return p.Path + ": " + p.Reason }

// Check finds what Azure would refuse in a request body: JSON as encoding/json
// decodes it, with Unknown and Secret anywhere within.
func (r *Resource) Check(body map[string]any) []Problem {
	c := checker{doc: r.doc}
	c.value("", r.body, body, false)
	slices.SortFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return c.problems
}

type checker struct {
	doc      document
	problems []Problem
}

func (c *checker) add(path, format string, a ...any) {
	c.problems = append(c.problems, Problem{path, fmt.Sprintf(format, a...)})
}

// value checks v against t; secret tells that something around v is a secret.
func (c *checker) value(path string, t *typ, v any, secret bool) {
	if s, ok := v.(Secret); ok {
		v, secret = s.Value, true
	}
	if _, ok := v.(Unknown); ok {
		return
	}
	switch t.Kind {
	case "AnyType":
	case "StringType":
		c.text(path, t, v, secret)
	case "StringLiteralType":
		if s, ok := v.(string); !ok || s != t.Value {
			c.add(path, "want %q", t.Value)
		}
	case "BooleanType":
		if _, ok := v.(bool); !ok {
			c.add(path, "want a boolean, got %T", v)
		}
	case "IntegerType":
		c.number(path, t, v)
	case "ArrayType":
		items, ok := v.([]any)
		if !ok {
			c.add(path, "want an array, got %T", v)
			return
		}
		for i, item := range items {
			c.value(fmt.Sprintf("%s[%d]", path, i), &c.doc[*t.Item], item, secret)
		}
	case "UnionType":
		c.union(path, t, v, secret)
	case "ObjectType":
		c.object(path, t, v, secret)
	default:
		c.add(path, "the type files use %s, which is not understood here", t.Kind)
	}
}

func (c *checker) text(path string, t *typ, v any, secret bool) {
	s, ok := v.(string)
	if !ok {
		c.add(path, "want a string, got %T", v)
		return
	}
	if t.MinLength != nil && len(s) < *t.MinLength {
		c.add(path, "shorter than %d characters", *t.MinLength)
	}
	if t.MaxLength != nil && len(s) > *t.MaxLength {
		c.add(path, "longer than %d characters", *t.MaxLength)
	}
	for _, p := range t.patterns {
		if !p.MatchString(s) {
			c.add(path, "does not match %s", p)
		}
	}
	if t.Sensitive && !secret {
		c.add(path, "is sensitive but not marked as a secret")
	}
}

// number takes fractions too: the format has no other type for 0.5 cores.
func (c *checker) number(path string, t *typ, v any) {
	n, ok := v.(float64)
	switch {
	case !ok:
		c.add(path, "want a number, got %T", v)
	case t.MinValue != nil && n < *t.MinValue:
		c.add(path, "%v is less than the minimum %v", n, *t.MinValue)
	case t.MaxValue != nil && n > *t.MaxValue:
		c.add(path, "%v is more than the maximum %v", n, *t.MaxValue)
	}
}

// union accepts what any member accepts. An enumeration with a StringType among
// its members is open.
func (c *checker) union(path string, t *typ, v any, secret bool) {
	var literals []string
	for _, r := range t.Elements {
		member := &c.doc[r]
		attempt := checker{doc: c.doc}
		attempt.value(path, member, v, secret)
		if len(attempt.problems) == 0 {
			return
		}
		if member.Kind == "StringLiteralType" {
			literals = append(literals, member.Value)
		}
	}
	c.add(path, "%v is not one of %s", v, strings.Join(literals, ", "))
}

func (c *checker) object(path string, t *typ, v any, secret bool) {
	m, ok := v.(map[string]any)
	if !ok {
		c.add(path, "want an object, got %T", v)
		return
	}
	for name, e := range m {
		p, ok := t.Properties[name]
		at := join(path, name)
		switch {
		case ok && p.Flags&readOnly != 0:
			c.add(at, "is read-only")
		case ok:
			c.value(at, &c.doc[p.Type], e, secret)
			c.described(at, p.Description, e)
		case t.Additional != nil:
			c.value(at, &c.doc[*t.Additional], e, secret)
		default:
			c.add(at, "is not a property of this API version%s", suggestion(name, t.Properties))
		}
	}
	for name, p := range t.Properties {
		if _, ok := m[name]; !ok && p.Flags&required != 0 && p.Flags&readOnly == 0 {
			c.add(join(path, name), "is required")
		}
	}
}

var (
	minimum = regexp.MustCompile(`Minimum value is (\d+)`)
	maximum = regexp.MustCompile(`Maximum value is (\d+)`)
	between = regexp.MustCompile(`[Mm]ust be (?:between|in the range) (\d+) (?:and|to) (\d+)`)
)

// described checks the ranges that the types state only in words.
func (c *checker) described(path, description string, v any) {
	n, ok := v.(float64)
	if !ok {
		return
	}
	least, most := minimum.FindStringSubmatch(description), maximum.FindStringSubmatch(description)
	if m := between.FindStringSubmatch(description); m != nil {
		least, most = m[:2], []string{m[0], m[2]}
	}
	if least != nil && n < parse(least[1]) {
		c.add(path, "%v is less than the minimum %s", n, least[1])
	}
	if most != nil && n > parse(most[1]) {
		c.add(path, "%v is more than the maximum %s", n, most[1])
	}
}

// parse reads digits that a pattern matched.
func parse(digits string) float64 {
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func suggestion(name string, properties map[string]property) string {
	for n := range properties {
		if strings.EqualFold(n, name) {
			return " (did you mean " + n + "?)"
		}
	}
	return ""
}
