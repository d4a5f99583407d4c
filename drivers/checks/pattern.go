package checks

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"wringer/drivers"
)

// Pattern is a regular expression in which {{...}} stands for the text itself. It is read only, and safe for concurrent use.
type Pattern struct {
	text   string
	fixed  *regexp.Regexp // nil: it is rendered for each operation
	render Renderer
}

// maxPattern bounds a rendered expression, in bytes.
const maxPattern = 16 << 10

// anyPlace is a place of a template.
var anyPlace = regexp.MustCompile(`\{\{.*?\}\}`)

// Pattern compiles a regular expression; nil if something is wrong with it.
func (c *Compiler) Pattern(field, text string) *Pattern {
	p := &Pattern{text: text}
	fixed, err := regexp.Compile(anyPlace.ReplaceAllString(text, "x"))
	if err != nil {
		c.Problem(field, err.Error())
		return nil
	}
	if !strings.Contains(text, "{{") {
		p.fixed = fixed
		return p
	}
	if p.render = c.Text(field, text, literally{}); p.render == nil {
		return nil
	}
	return p
}

// Fixed is the expression, nil if it is rendered for each operation.
func (p *Pattern) Fixed() *regexp.Regexp { return p.fixed }

// String is the expression as it is written.
func (p *Pattern) String() string {
	if len(p.text) > ShownValue {
		return p.text[:ShownValue] + "..."
	}
	return p.text
}

// Match says whether a text matches. An error means that the expression of this operation cannot be judged.
func (p *Pattern) Match(op *drivers.Op, text []byte) (bool, error) {
	re, err := p.of(op)
	return err == nil && re.Match(text), err
}

// of is the expression of an operation.
func (p *Pattern) of(op *drivers.Op) (*regexp.Regexp, error) {
	if p.fixed != nil {
		return p.fixed, nil
	}
	text := p.render(nil, op)
	if len(text) > maxPattern {
		return nil, fmt.Errorf("%s renders %d bytes; a regular expression has at most %d", p, len(text), maxPattern)
	}
	re, err := regexp.Compile(string(text))
	if err != nil {
		return nil, errors.New(p.String() + " renders no regular expression")
	}
	return re, nil
}

// literally is the syntax of a regular expression: a value stands for its own text.
type literally struct{}

func (literally) Literal(text string) string { return text }

func (literally) Value(_ drivers.Kind, raw bool) drivers.Fit {
	if raw {
		return drivers.Fit{}
	}
	return drivers.Fit{Escape: func(dst []byte, from int) []byte {
		return append(dst[:from], regexp.QuoteMeta(string(dst[from:]))...)
	}}
}
