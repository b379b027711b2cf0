package mcphttp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzMessage holds that what is read without encoding/json is read alike.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":[2,"}"]},` + statelessMeta + `}}`,
		` { "jsonrpc" : "2.0" , "id" : "x\"y" , "result" : { } , "error" : null , "other" : [ 1 , { "a" : "]" } ] } `,
		`{"method":"a","METHOD":"b","Params":{},"params":{"Name":"x","name":"y","name":null}}`,
		`{"method":"é","p\u0061rams":{},"paramſ":1,"params":{"_meta":{},"_meta":null}}`,
		`{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1","io.modelcontextprotocol/protocolVersion":2}}}`,
		`{"io.modelcontextprotocol/protocolVersion":null,"io.modelcontextprotocol/clientInfo":{"name":"n","title":null,"version":"\u0031","name":"m"},"io.modelcontextprotocol/clientCapabilities":{}}`,
		`{"io.modelcontextprotocol/clientInfo":{"name":1,"Version":"1","icons":[]},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}`,
		`{"io.modelcontextprotocol/clientInfo":{"NAME":"n"},"io.modelcontextprotocol/clientCapabilities":{ }}`,
		`{"io.modelcontextprotocol/clientInfo":null,"io.modelcontextprotocol/clientCapabilities":null,"io.modelcontextprotocol/logLevel":"info"}`,
		`{"method":1}`, `{}`, `[]`, `null`, `"x"`, `{"params":null}`, `{"params":{"name":"a","_meta":5,"uri":true}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.Trim(text, " \t\r\n") // as values inside are
		if !json.Valid([]byte(text)) {
			return
		}
		alike(t, text, &message{}, func(m *message) bool { return m.scan([]byte(text)) })
		alike(t, text, &params{}, func(p *params) bool { return p.scan([]byte(text)) })
		alike(t, text, &requestMeta{}, func(m *requestMeta) bool { return m.scan([]byte(text)) })
		var m message
		if json.Unmarshal([]byte(text), &m) == nil && len(m.Params) > 0 {
			alike(t, string(m.Params), &params{}, func(p *params) bool { return p.scan(m.Params) })
		}
	})
}

func alike[T any](t *testing.T, text string, scanned *T, scan func(*T) bool) {
	t.Helper()
	var want T
	err := json.Unmarshal([]byte(text), &want)
	if !scan(scanned) {
		return // encoding/json reads it
	}
	if err != nil || !reflect.DeepEqual(*scanned, want) {
		t.Errorf("%s\nscanned %+v\nwant    %+v, %v", text, *scanned, want, err)
	}
}

// TestNothingIsLeftToJSON: what every client sends is not left to encoding/json.
func TestNothingIsLeftToJSON(t *testing.T) {
	text := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},` + statelessMeta + `}}`)
	var m message
	var p params
	if !m.scan(text) || !p.scan(m.Params) || p.Meta.protocolVersion() == "" || p.Meta.Capabilities == nil {
		t.Errorf("%+v %+v", m, p)
	}
}
