package scrape

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// selector matches time series by their name and labels: jvm_memory_used_bytes{area="heap"}.
type selector struct {
	name     string
	matchers []*labels.Matcher
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*`)
)

const selectorForm = `write NAME or NAME{LABEL="VALUE"}, with = != =~ or !~, as in jvm_memory_used_bytes{area="heap"}`

// parseSelector reads a selector. Errors name the column, from 1.
func parseSelector(text string) (*selector, error) {
	s := &selector{name: metricName.FindString(strings.TrimSpace(text))}
	p := &selectorReader{text: text, at: len(text) - len(strings.TrimLeft(text, " \t\n")) + len(s.name)}
	if s.name == "" {
		return nil, p.wrong("a name of a metric")
	}
	if p.skip(); p.take("{") {
		if err := p.matchers(s); err != nil {
			return nil, err
		}
	}
	if p.skip(); p.at < len(text) {
		if strings.ContainsAny(text[p.at:], "[(") {
			return nil, fmt.Errorf("%w; functions and ranges need promql, a Prometheus server", p.wrong("the end"))
		}
		return nil, p.wrong("the end")
	}
	return s, nil
}

// matches says whether the labels are among those that the selector means. The name is already known to be the selector's.
func (s *selector) matches(l labels.Labels) bool {
	for _, m := range s.matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// selectorReader reads a selector from the left.
type selectorReader struct {
	text string
	at   int
}

func (p *selectorReader) wrong(want string) error {
	found := "the end"
	if p.at < len(p.text) {
		found = strconv.Quote(p.text[p.at:min(len(p.text), p.at+20)])
	}
	return fmt.Errorf("is no selector: column %d: expects %s, found %s; %s", p.at+1, want, found, selectorForm)
}

func (p *selectorReader) skip() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\n", rune(p.text[p.at])) {
		p.at++
	}
}

func (p *selectorReader) take(sign string) bool {
	p.skip()
	if !strings.HasPrefix(p.text[p.at:], sign) {
		return false
	}
	p.at += len(sign)
	return true
}

// matchers reads what stands behind the opening brace. A comma may stand before the closing one.
func (p *selectorReader) matchers(s *selector) error {
	for !p.take("}") {
		m, err := p.matcher()
		if err != nil {
			return err
		}
		s.matchers = append(s.matchers, m)
		if p.take(",") {
			continue
		}
		if p.take("}") {
			return nil
		}
		return p.wrong(`, or }`)
	}
	return nil
}

// operators of matchers; the longer ones come first.
var operators = []struct {
	sign string
	kind labels.MatchType
}{{"=~", labels.MatchRegexp}, {"!~", labels.MatchNotRegexp}, {"!=", labels.MatchNotEqual}, {"=", labels.MatchEqual}}

func (p *selectorReader) matcher() (*labels.Matcher, error) {
	p.skip()
	name := labelName.FindString(p.text[p.at:])
	if name == "" {
		return nil, p.wrong("a name of a label")
	}
	p.at += len(name)
	for _, o := range operators {
		if !p.take(o.sign) {
			continue
		}
		p.skip()
		value, err := p.quoted()
		if err != nil {
			return nil, err
		}
		m, err := labels.NewMatcher(o.kind, name, value)
		if err != nil {
			return nil, fmt.Errorf("is no selector: the expression of %s cannot be read: %w", name, err)
		}
		return m, nil
	}
	return nil, p.wrong("= != =~ or !~")
}

// quoted reads a text in double quotes or backquotes, with the escapes of Go.
func (p *selectorReader) quoted() (string, error) {
	quoted, err := strconv.QuotedPrefix(p.text[p.at:])
	if err != nil || quoted[0] == '\'' {
		return "", p.wrong(`a value in double quotes`)
	}
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return "", errors.New("is no selector: " + quoted + " cannot be read; " + selectorForm)
	}
	p.at += len(quoted)
	return value, nil
}
