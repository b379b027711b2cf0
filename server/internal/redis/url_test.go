package redis

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]Endpoint{
		"redis://localhost":       {Address: "localhost:6379"},
		"redis://localhost:7000/": {Address: "localhost:7000"},
		"redis://[::1]:7000/2":    {Address: "[::1]:7000", Database: 2},
		"redis://[::1]":           {Address: "[::1]:6379"},
		"redis://:pw@h:1":         {Address: "h:1", password: "pw"},
		"rediss://default:p%40w%2F@x.redis.azure.net:10000": {Address: "x.redis.azure.net:10000", TLS: true, username: "default", password: "p@w/"},
		"rediss://:k=@x.redis.cache.windows.net:6380/0":     {Address: "x.redis.cache.windows.net:6380", TLS: true, password: "k="},
		"rediss://default:k@h:10000?cluster=true":           {Address: "h:10000", TLS: true, Cluster: true, username: "default", password: "k"},
		"redis://h?cluster=false":                           {Address: "h:6379"},
	} {
		got, err := ParseURL(raw)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", raw, got, err)
		}
	}
}

func TestParseURLRejects(t *testing.T) {
	const secret = "hunter2"
	for raw, want := range map[string]string{
		"":                                   "scheme",
		"localhost:6379":                     "scheme",
		"http://localhost":                   "scheme",
		"hunter2://localhost":                "scheme",
		"redis://":                           "host is missing",
		"redis://:6379":                      "host is missing",
		"redis://:hunter2/x@h:6379":          "percent-encoded", // reads as port "hunter2"
		"redis://:hunter2%zz@h":              "percent-encoded",
		"redis://:6379#hunter2@h:6379":       "host is missing",
		"redis://h:6379#hunter2":             "%23",
		"redis://h:99999":                    "port",
		"redis://hunter2@h:6379":             "no password",
		"redis://hunter2:@h:6379":            "no password",
		"redis://h:6379/hunter2":             "must be a number",
		"redis://h:6379/-1":                  "must be a number",
		"redis://h:6379?hunter2=1":           "cluster=true",
		"redis://h:6379?cluster=hunter2":     "true or false",
		"redis://h:6379?a;b":                 "question mark",
		"redis://h:6379/4?cluster=true":      "database 0",
		"redis://h:6379?skip_verify=hunter2": "cluster=true",
	} {
		_, err := ParseURL(raw)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", raw, err, want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows what may be the password: %v", raw, err)
		}
	}
}

func TestEndpointHidesPassword(t *testing.T) {
	e, err := ParseURL("rediss://hunter1:hunter2@h:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, e); strings.Contains(text, "hunter") {
			t.Errorf("%s: %s", verb, text)
		}
	}
}
