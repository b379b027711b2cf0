package config

import (
	"net/url"
	"regexp"
	"strings"
)

// otlpProtocol is the one that is built in.
const otlpProtocol = "http/protobuf"

// Headers are sent with telemetry. Their values are secrets.
type Headers map[string]Secret

var (
	headerName  = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$")
	headerValue = regexp.MustCompile(`^[\t\x20-\x7e]+$`)
)

// parseHeaders reads the comma list of OTEL_EXPORTER_OTLP_HEADERS. Its errors quote nothing.
func parseHeaders(list string) (Headers, error) {
	headers := Headers{}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		switch {
		case !found:
			return nil, wordedError("an entry without = (a comma in a value is %2C)")
		case !headerName.MatchString(name):
			return nil, wordedError("an entry whose name is no header's")
		case err != nil || !headerValue.MatchString(decoded):
			return nil, wordedError("a value that no header can have (is it percent-encoded?)")
		}
		headers[name] = Secret(decoded)
	}
	return headers, nil
}

// validEndpoint takes a base URL: an origin as elsewhere, and a path.
func validEndpoint(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	return validOrigin(u.Scheme+"://"+u.Host, true) && u.User == nil
}
