package proof

import (
	"errors"
	"strings"
	"testing"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/rollout"
)

func TestVerdict(t *testing.T) {
	exit := errors.New("exit status 1")
	for name, test := range map[string]struct {
		report   string
		exit     error
		answered string
		err      string // empty: none
		other    bool   // another build
	}{
		"held":          {`{"ok":true,"build":"b"}`, nil, "b", "", false},
		"failed":        {`{"ok":false,"build":"b","checks":[{"name":"add","failure":{"expected":"15","got":"16","cause":"bug"}}]}`, exit, "b", "add: expected 15\n  got    16\n  likely bug", false},
		"other build":   {`{"ok":false,"build":"a","checks":[{"name":"build","failure":{"expected":"b","got":"a"}}]}`, exit, "a", "another version answered, a instead of b", true},
		"no server":     {`{"ok":false,"build":"","checks":[{"name":"connect","failure":{"expected":"a server","got":"nothing"}}]}`, exit, "", "expected a server", false},
		"no settings":   {`{"ok":false,"error":"ENTRA_TENANT_ID is missing"}`, exit, "", "ENTRA_TENANT_ID is missing", false},
		"no report":     {"panic", exit, "", "no report", false},
		"ok but exit 1": {`{"ok":true,"build":"b"}`, exit, "b", "found fault", false},
		"exit 0 not ok": {`{"ok":false,"build":"b"}`, nil, "b", "found fault", false},
	} {
		answered, err := verdict([]byte(test.report), "its log", test.exit, "https://x/mcp", "b")
		if answered != test.answered || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || errors.Is(err, rollout.ErrOtherBuild) != test.other {
			t.Errorf("%s: %q, %v", name, answered, err)
		}
	}
}
