package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/prynai/prynai-mcp/smoke/internal/settings"
)

// Principal is who calls. It has one token, or several that it uses in turn,
// as a client does whose tokens are renewed.
type Principal struct {
	tokens []settings.Secret
	turn   atomic.Uint64
}

// NewPrincipal makes a principal of the tokens in a text, separated by spaces.
func NewPrincipal(tokens string) (*Principal, error) {
	p := &Principal{}
	for token := range strings.FieldsSeq(tokens) {
		if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return nil, errors.New("a token has characters that no token has")
		}
		p.tokens = append(p.tokens, settings.Secret(token))
	}
	if len(p.tokens) == 0 {
		return nil, errors.New("holds no token")
	}
	return p, nil
}

// ReadPrincipals reads one principal a line. Lines that are empty or begin
// with # are left out.
func ReadPrincipals(r io.Reader) ([]*Principal, error) {
	const longestLine = 1 << 20
	var all []*Principal
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := NewPrincipal(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, p)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("holds no token")
	}
	return all, nil
}

// authorization is the header's next value, "" for nobody.
func (p *Principal) authorization() string {
	if p == nil {
		return ""
	}
	return "Bearer " + p.tokens[(p.turn.Add(1)-1)%uint64(len(p.tokens))].Reveal()
}

// redact takes the principal's tokens out of what a server said.
func (p *Principal) redact(text string) string {
	if p == nil {
		return settings.Redact(text)
	}
	return settings.Redact(text, p.tokens...)
}
