package syntax

import (
	"bytes"
	"encoding/json"
	"strings"

	"wringer/drivers"
)

// jsonText is the syntax of JSON. It knows whether the next value stands in a string.
type jsonText struct{ quoted, escaped bool }

func (j *jsonText) Literal(text string) string {
	for _, c := range []byte(text) {
		switch {
		case j.escaped:
			j.escaped = false
		case c == '\\':
			j.escaped = j.quoted
		case c == '"':
			j.quoted = !j.quoted
		}
	}
	return text
}

const bare = "outside of quotes in JSON, where only a number, true, false or null can stand; put it in quotes, or write {{raw ...}}"

func (j *jsonText) Value(kind drivers.Kind, raw bool) drivers.Fit {
	switch {
	case raw || kind == drivers.Number:
		return drivers.Fit{}
	case j.quoted && kind == drivers.Plain:
		return drivers.Fit{}
	case j.quoted:
		return drivers.Fit{Escape: JSONString}
	case kind == drivers.Plain:
		return drivers.Fit{Never: "stands " + bare}
	case kind == drivers.Words: // the scenario's own text
		return drivers.Fit{Check: func(value []byte) string {
			if json.Valid(value) {
				return ""
			}
			return "stands " + bare
		}}
	}
	return drivers.Fit{Check: func(value []byte) string {
		if isScalar(value) {
			return ""
		}
		return "renders no number, true, false or null, and stands " + bare
	}}
}

// isScalar reports whether a value is a JSON number, true, false or null.
func isScalar(value []byte) bool {
	switch string(value) {
	case "true", "false", "null":
		return true
	}
	rest := bytes.TrimPrefix(value, []byte("-"))
	whole, rest := digits(rest)
	if whole == 0 || whole > 1 && value[len(value)-len(rest)-whole] == '0' {
		return false
	}
	if len(rest) > 0 && rest[0] == '.' {
		n := 0
		if n, rest = digits(rest[1:]); n == 0 {
			return false
		}
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		if rest = rest[1:]; len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		n := 0
		if n, rest = digits(rest); n == 0 {
			return false
		}
	}
	return len(rest) == 0
}

// digits counts the digits at the beginning of text, and returns what follows them.
func digits(text []byte) (n int, rest []byte) {
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n, text[n:]
}

// isJSON reports whether a template is JSON: an object, a list or a string, with 0 for each value outside of quotes. A template
// that is a value and nothing else is not: the value can be any text.
func isJSON(template string) bool {
	s := new(sample)
	d := drivers.Dialect{Syntax: s, Lookup: func(name string) drivers.Place {
		if drivers.Reserved(name) {
			return nil
		}
		return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return dst }
	}}
	if _, err := d.Compile(template); err != nil {
		return false
	}
	text := strings.TrimSpace(s.text.String())
	return text != "" && strings.IndexByte(`{["`, text[0]) >= 0 && json.Valid([]byte(text))
}

// sample collects a text that a template could render.
type sample struct {
	jsonText
	text strings.Builder
}

func (s *sample) Literal(text string) string {
	s.text.WriteString(text)
	return s.jsonText.Literal(text)
}

func (s *sample) Value(drivers.Kind, bool) drivers.Fit {
	if !s.quoted {
		s.text.WriteByte('0')
	}
	return drivers.Fit{}
}
