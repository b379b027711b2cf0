package mcphttp

import (
	"mime"
	"strconv"
	"strings"
)

// accepts reports whether an Accept header allows the media type. Quality 0 is
// a refusal, other weights do not matter here.
func accepts(header []string, mediaType string) bool {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, line := range header {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			item = strings.TrimSpace(item)
			if strings.EqualFold(item, mediaType) || item == "*/*" {
				return true
			}
			if !strings.ContainsAny(item, "*;") {
				continue // another type, and that is all it says
			}
			name, parameters, err := mime.ParseMediaType(item)
			if err != nil || refused(parameters["q"]) {
				continue
			}
			if name == mediaType || name == "*/*" || name == kind+"/*" {
				return true
			}
		}
	}
	return false
}

// refused reports whether a weight is zero.
func refused(q string) bool {
	weight, err := strconv.ParseFloat(q, 64)
	return err == nil && weight == 0
}

// isJSON reports whether a Content-Type is application/json, in UTF-8 as JSON is.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	name, _, err := mime.ParseMediaType(contentType)
	return err == nil && name == "application/json"
}
