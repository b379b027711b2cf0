package config

import (
	"fmt"
	"net/url"
	"strings"
)

// A Problem is one variable that cannot be used as it is.
type Problem struct {
	Variable string
	Got      string // what was found, in words; never a secret
	Want     string
	Example  string // a whole assignment that would be accepted
}

func (p Problem) Error() string {
	return fmt.Sprintf("%s: got %s; want %s; for example %s", p.Variable, p.Got, p.Want, p.Example)
}

// Problems is the error of [Load]: everything that is wrong, in the order of the table of variables.
type Problems []Problem

func (ps Problems) Error() string {
	var b strings.Builder
	if len(ps) == 1 {
		b.WriteString("the configuration has a problem:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d problems:", len(ps))
	}
	for _, p := range ps {
		b.WriteString("\n  ")
		b.WriteString(p.Error())
	}
	return b.String()
}

// wordedError describes a value that may hold a secret, without quoting it.
type wordedError string

func (e wordedError) Error() string { return string(e) }

const nothing = "nothing"

// shown quotes a value for a message. Even a variable that is not meant to hold a secret may have been
// given one: a URL loses its password, and what only looks like such a URL is not shown at all.
func shown(value string) string {
	const longest = 100
	if strings.Contains(value, "@") {
		u, err := url.Parse(value)
		if err != nil || u.User == nil || strings.Count(value, "@") > 1 {
			return "a value that may hold a password and is not shown"
		}
		value = u.Redacted()
	}
	if len(value) > longest {
		return fmt.Sprintf("%q… (%d bytes)", value[:longest], len(value))
	}
	return fmt.Sprintf("%q", value)
}
