package mcphttp

// The members of the objects that every request has, without the allocations
// of encoding/json. A reader can skip this file: whatever encoding/json might
// read in another way than by the letter is left to it, and FuzzObject holds
// that both read alike.

// object goes through the members of a JSON object that is known to be valid.
type object struct {
	rest  []byte
	name  []byte
	value []byte
	plain bool // no name so far had an escape or a letter beyond ASCII
}

// openObject reports false where the text is not an object.
func openObject(text []byte) (o object, ok bool) {
	text = skipSpace(text)
	if len(text) == 0 || text[0] != '{' {
		return object{}, false
	}
	return object{rest: text[1:], plain: true}, true
}

// next finds the next member.
func (o *object) next() bool {
	o.rest = skipSpace(o.rest)
	if o.rest[0] == ',' {
		o.rest = skipSpace(o.rest[1:])
	}
	if o.rest[0] == '}' {
		return false
	}
	end := stringEnd(o.rest)
	o.name = o.rest[1 : end-1]
	o.plain = o.plain && isPlain(o.name)
	o.rest = skipSpace(skipSpace(o.rest[end:])[1:]) // the colon
	end = valueEnd(o.rest)
	o.value, o.rest = o.rest[:end], o.rest[end:]
	return true
}

// isOneOf reports whether encoding/json would take the name for one of these,
// whose case it does not regard.
func (o *object) isOneOf(names ...string) bool {
	for _, name := range names {
		if len(name) == len(o.name) && equalFold(o.name, name) {
			return true
		}
	}
	return false
}

// text reads a value as a string. Null leaves it as it is.
func (o *object) text(into *string) (ok bool) {
	switch {
	case string(o.value) == "null":
		return true
	case o.value[0] != '"' || !isPlain(o.value):
		return false
	}
	*into = string(o.value[1 : len(o.value)-1])
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

func skipSpace(text []byte) []byte {
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
