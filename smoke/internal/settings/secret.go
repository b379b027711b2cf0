package settings

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// Secret is text that must not be printed; every format verb and encoder sees
// the word "[redacted]" instead.
type Secret string

// Reveal returns the text itself, for the one place that has to send it.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from printing the text.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps encoders from printing the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// tokenLike matches whatever begins like a JWT, cut off or not.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// Redact takes secrets out of text that others wrote, should they echo one: as
// it is, or in the forms in which a request body or a JSON document carries
// it. Text has to pass here before it is cut to size, because half a secret
// matches none of these. Tokens go by their looks, so that a cut does not
// matter to them.
func Redact(text string, secrets ...Secret) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		forms := []string{secret.Reveal(), url.QueryEscape(secret.Reveal())}
		if quoted, err := json.Marshal(secret.Reveal()); err == nil {
			forms = append(forms, strings.Trim(string(quoted), `"`))
		}
		for _, form := range forms {
			text = strings.ReplaceAll(text, form, redacted)
		}
	}
	return tokenLike.ReplaceAllLiteralString(text, redacted)
}
