package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "want deploy, rollback or destroy"},
		{[]string{"delpoy"}, exitUsage, `unknown command "delpoy"`},
		{[]string{"deploy", "dev"}, exitUsage, `unexpected argument "dev"`},
		{[]string{"deploy", "--stac", "dev"}, exitUsage, "flag provided but not defined"},
		{[]string{"deploy", "--help"}, exitOK, "release rollback"},
		{[]string{"help"}, exitOK, "release rollback"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), test.args, nil, nil, &stderr); code != test.code || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%v: exit code %d, %s", test.args, code, &stderr)
		}
	}
}
