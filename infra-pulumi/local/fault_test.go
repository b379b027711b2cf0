package main

import (
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/replica"
)

// fault is what is wrong with a version: either it is the server in a wrong
// environment, or a faulty one (see faulty_test.go).
type fault struct {
	name        string
	environment func(*lane) (name, value string)
	play        string
	says        string // what the release says of it
	unready     bool   // and it says so because it is not ready, or does not stay so
	// hurts: it fails when it has the traffic already, so that requests that it
	// runs then are lost; no session is.
	hurts bool
}

func to(name, value string) func(*lane) (string, string) {
	return func(*lane) (string, string) { return name, value }
}

const nobody = "99999999-9999-4999-8999-999999999999"

// faults are the rows of the matrix whose release must fail.
var faults = []fault{
	{name: "/mcp hangs", play: hang, says: "smoke"},
	{name: "crash at once", unready: true, play: crashAtOnce, says: "a faulty version ends at once"},
	{name: "crash after 20 s", unready: true, play: crashLater, says: "a faulty version crashes"},
	{name: "never ready", unready: true, play: neverReady, says: "503 Service Unavailable"},
	{name: "wrong Redis host", unready: true, says: "503 Service Unavailable",
		environment: func(l *lane) (string, string) { return "REDIS_URL", l.redisURL("127.0.0.1:1", "") }},
	{name: "wrong Redis password", unready: true, says: "503 Service Unavailable",
		environment: func(l *lane) (string, string) { return "REDIS_URL", l.redisURL("", "a-wrong-password") }},
	{name: "wrong tenant", unready: true, says: "503 Service Unavailable", environment: to("ENTRA_TENANT_ID", nobody)},
	{name: "wrong audience", says: "401", environment: to("ENTRA_AUDIENCES", nobody)},
	{name: "wrong port", unready: true, says: "nothing listens on port 8000", environment: to("LISTEN_ADDR", "0.0.0.0:8001")},
	{name: "add wrong", play: addWrong, says: "expected add(7, 8) = 15"},
	{name: "a tool missing", play: toolMissing, says: "echo"},
	{name: "crash after the move", play: crashAtSign, says: "is not ready any more", hurts: true},
}

// apply gives a version this fault.
func (f fault) apply(config *replica.Config, l *lane) {
	if f.environment != nil {
		name, value := f.environment(l)
		config.Environment[name] = value
		config.Grace = time.Second // what it runs is lost anyway
	}
	if f.play != "" {
		config.Environment[part] = "faulty"
		config.Environment[faultVariable] = f.play
		config.Environment[serverVariable] = config.Executable
		config.Environment[signVariable] = l.sign
		config.Executable = l.self
	}
}
