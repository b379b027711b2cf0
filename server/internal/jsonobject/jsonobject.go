// Package jsonobject goes through the members of a JSON object without
// encoding/json's allocations, where it comes to the same.
//
// It serves what every request has: the envelope, its parameters, a tool's
// arguments. Whatever encoding/json might read in another way than by the
// letter (names with escapes, or in another case) is for the caller to leave to
// encoding/json; fuzz tests hold that both read alike.
//
// # Trust boundary
//
// The text is a stranger's, but known to be valid: see [encoding/json.Valid]. Text that
// is not may panic.
package jsonobject

// Object goes through the members of a JSON object that is known to be valid.
type Object struct {
	rest  []byte
	Name  []byte // of the current member, as it is written, without the quotes
	Value []byte // likewise; without the space around it
	Plain bool   // no name so far had an escape or a letter beyond ASCII
}

// Open reports false where the text is not an object.
func Open(text []byte) (o Object, ok bool) {
	text = SkipSpace(text)
	if len(text) == 0 || text[0] != '{' {
		return Object{}, false
	}
	return Object{rest: text[1:], Plain: true}, true
}

// Next finds the next member.
func (o *Object) Next() bool {
	o.rest = SkipSpace(o.rest)
	if o.rest[0] == ',' {
		o.rest = SkipSpace(o.rest[1:])
	}
	if o.rest[0] == '}' {
		return false
	}
	end := stringEnd(o.rest)
	o.Name = o.rest[1 : end-1]
	o.Plain = o.Plain && isPlain(o.Name)
	o.rest = SkipSpace(SkipSpace(o.rest[end:])[1:]) // the colon
	end = valueEnd(o.rest)
	o.Value, o.rest = o.rest[:end], o.rest[end:]
	return true
}

// IsOneOf reports whether encoding/json would take the name for one of these,
// whose case it does not regard.
func (o *Object) IsOneOf(names ...string) bool {
	for _, name := range names {
		if len(name) == len(o.Name) && equalFold(o.Name, name) {
			return true
		}
	}
	return false
}

// Text reads the current value as a string. Null leaves it as it is.
func (o *Object) Text(into *string) (ok bool) { return Text(o.Value, into) }

// Text reads a value as a string. Null leaves it as it is.
func Text(value []byte, into *string) (ok bool) {
	switch {
	case string(value) == "null":
		return true
	case len(value) == 0 || value[0] != '"' || !isPlain(value):
		return false
	}
	*into = string(value[1 : len(value)-1])
	return true
}

// isPlain: all is ASCII, and nothing stands for something else.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// equalFold compares ASCII of one length; the name is of lower case, or its
// capitals are compared likewise.
func equalFold(text []byte, name string) bool {
	lower := func(c byte) byte {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	for i := range text {
		if lower(text[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

// SkipSpace returns the text from its first letter on.
func SkipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		text = text[1:]
	}
	return text
}

// stringEnd is where a string that the text begins with ends.
func stringEnd(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd is where the value ends that the text begins with, which some member
// or the end of the object follows.
func valueEnd(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
}
