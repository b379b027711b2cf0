package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/guard"
)

// part tells the test binary what to play: the command itself, a faulty
// version of the server, or a redis-server that does not start.
const part = "LOCAL_TEST_PART"

// cacheVariable names the folder that the command's cache lies in.
const cacheVariable = "LOCAL_TEST_CACHE"

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "command":
		userCacheDir = func() (string, error) { return os.Getenv(cacheVariable), nil }
		limits.Soak, limits.Drain = time.Second, time.Second // nobody waits for half a minute
		os.Exit(guard.Run(command, listens(os.Args[1:])))
	case "faulty":
		os.Exit(playFaulty())
	case "redis":
		fmt.Println("*** FATAL CONFIG FILE ERROR ***\nBad directive or wrong number of arguments")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args    string
		want    options
		problem string
	}{
		"nothing":       {"", options{port: 8443, plainPort: 8000, redis: redisAuto}, ""},
		"all":           {"--once --port 1 --plain-port 2 --redis embedded --logs", options{1, 2, redisEmbedded, true, true, nil}, ""},
		"smoke":         {"--port 9443 smoke token --raw", options{9443, 8000, redisAuto, false, false, []string{"token", "--raw"}}, ""},
		"smoke alone":   {"smoke", options{8443, 8000, redisAuto, false, false, []string{}}, ""},
		"wrong redis":   {"--redis magic", options{}, `--redis is "magic", want auto, server or embedded`},
		"wrong word":    {"smok", options{}, `unexpected argument "smok"`},
		"unknown flag":  {"--prot 1", options{}, "flag provided but not defined: -prot"},
		"not a port":    {"--port https", options{}, `invalid value "https" for flag -port`},
		"port too high": {"--port 70000", options{}, "--port is 70000, want 1 to 65535"},
		"same ports":    {"--port 8000", options{}, "--port and --plain-port are both 8000"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var said strings.Builder
			got, err := parse(strings.Fields(test.args), &said)
			if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
			if (err != nil) != (test.problem != "") || !strings.Contains(said.String(), test.problem) {
				t.Errorf("said %q (%v), want %q", said.String(), err, test.problem)
			}
		})
	}
}
