package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// Check is one entry of `checks`. Every condition in it must hold.
type Check struct {
	Header map[string]string `yaml:"header" jsonschema_description:"Regular expressions by header name; some value of that header must match."`
	JSON   map[string]any    `yaml:"json" jsonschema_description:"Values by path ($.items[0].id); the body must be JSON with exactly these values there. Strings may hold {{...}}."`
	Body   string            `yaml:"body" jsonschema_description:"A regular expression that the body must match."`
	Size   string            `yaml:"size" jsonschema_description:"A bound on the body's size, as in < 10KiB."`
}

// check returns the condition that does not hold, or "". It quotes a little of the answer.
type check func(*answer, *drivers.Op) string

// add compiles one entry.
func (ev *evaluator) add(c *Check, field string, cp *compiler) {
	problem := cp.problemAt
	if len(c.Header) == 0 && len(c.JSON) == 0 && c.Body == "" && c.Size == "" {
		problem(field, "checks nothing; write header, json, body or size")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Header)) {
		if !isToken(name) {
			problem(field+".header", fmt.Sprintf("%q is no header name", name))
		}
		if re, err := pattern(c.Header[name]); err != nil {
			problem(field+".header."+name, err.Error())
		} else {
			ev.addHeader(name, re)
		}
	}
	if len(c.JSON) > 0 {
		ev.addJSON(c.JSON, field+".json", cp)
	}
	if c.Body != "" {
		if re, err := pattern(c.Body); err != nil {
			problem(field+".body", err.Error())
		} else {
			ev.addBody(re)
		}
	}
	if c.Size != "" {
		if holds, err := parseSize(c.Size); err != nil {
			problem(field+".size", err.Error())
		} else {
			ev.addSize(c.Size, holds)
		}
	}
}

// pattern compiles a regular expression. The expression is the same for every operation, so {{...}} in it would be
// matched literally. No answer matches that, so it is refused.
func pattern(s string) (*regexp.Regexp, error) {
	if strings.Contains(s, "{{") {
		return nil, fmt.Errorf("%q: a regular expression renders no {{...}}; json: does", s)
	}
	return regexp.Compile(s)
}

func (ev *evaluator) addHeader(name string, re *regexp.Regexp) {
	n := len(ev.headers)
	ev.headers = append(ev.headers, headerCheck{name, re})
	ev.checks = append(ev.checks, func(a *answer, _ *drivers.Op) string {
		switch {
		case a.matched[n]:
			return ""
		case a.unmatched[n] != "":
			return "header " + name + " is " + strconv.Quote(a.unmatched[n]) + ", which does not match " + re.String()
		}
		return "header " + name + " is absent, or empty and does not match " + re.String()
	})
}

func (ev *evaluator) addBody(re *regexp.Regexp) {
	ev.keep = true
	ev.checks = append(ev.checks, func(a *answer, _ *drivers.Op) string {
		if re.Match(a.body) {
			return ""
		}
		return "the body does not match " + clip(re.String(), shownValue) + ": " + clip(a.body, shownBody)
	})
}

func (ev *evaluator) addSize(spec string, holds func(int64) bool) {
	ev.checks = append(ev.checks, func(a *answer, _ *drivers.Op) string {
		if holds(a.size) {
			return ""
		}
		return fmt.Sprintf("the body has %d bytes, which is not %s", a.size, spec)
	})
}

// parseSize reads a comparison and an amount: < 10KiB.
func parseSize(s string) (func(int64) bool, error) {
	s = strings.TrimSpace(s)
	for _, c := range comparisons {
		amount, found := strings.CutPrefix(s, c.sign)
		if !found {
			continue
		}
		var limit drivers.Bytes
		if err := limit.UnmarshalText([]byte(amount)); err != nil {
			return nil, err
		}
		return func(n int64) bool { return c.holds(n, int64(limit)) }, nil
	}
	return nil, fmt.Errorf("%q: write a comparison and an amount, as in < 10KiB", s)
}

// comparisons has the longer signs first.
var comparisons = []struct {
	sign  string
	holds func(a, b int64) bool
}{
	{"<=", func(a, b int64) bool { return a <= b }},
	{">=", func(a, b int64) bool { return a >= b }},
	{"==", func(a, b int64) bool { return a == b }},
	{"!=", func(a, b int64) bool { return a != b }},
	{"<", func(a, b int64) bool { return a < b }},
	{">", func(a, b int64) bool { return a > b }},
}

// place is a value that is expected at a path.
type place struct {
	spec string
	path *jsonpath.Path
	want func(*drivers.Op) any
}

func (ev *evaluator) addJSON(wants map[string]any, field string, cp *compiler) {
	var places []place
	for _, spec := range slices.Sorted(maps.Keys(wants)) {
		path, err := jsonpath.Parse(spec)
		if err != nil {
			cp.problemAt(field, err.Error())
			continue
		}
		want := cp.want(field+"."+spec, wants[spec])
		places = append(places, place{spec, path, want})
	}
	ev.keep = true
	ev.checks = append(ev.checks, func(a *answer, op *drivers.Op) string {
		doc, ok := document(a.body)
		if !ok {
			return "the body is no JSON document: " + clip(a.body, shownBody)
		}
		for _, p := range places {
			got, found := p.path.In(doc)
			if !found {
				return "json " + p.spec + " is absent: " + clip(a.body, shownBody)
			}
			if want := p.want(op); !same(got, want) {
				return "json " + p.spec + " is " + shown(got) + ", not " + shown(want)
			}
		}
		return ""
	})
}

// shown is a JSON value as the text of a failure shows it.
func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "no JSON value"
	}
	return clip(text, shownValue)
}

// document decodes a body that is one JSON value and nothing more.
func document(body []byte) (doc any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	err := d.Decode(&doc)
	return doc, err == nil && d.InputOffset() == int64(len(bytes.TrimRight(body, " \t\r\n")))
}

// want prepares an expected value; a string with {{...}} is rendered per operation.
func (cp *compiler) want(field string, v any) func(*drivers.Op) any {
	if s, ok := v.(string); ok && strings.Contains(s, "{{") {
		t := cp.text(field, s, wantPlace, nil)
		return func(op *drivers.Op) any { return string(t.append(nil, op)) }
	}
	b, err := json.Marshal(v)
	if err != nil {
		cp.problemAt(field, "is no JSON value")
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		cp.problemAt(field, err.Error())
	}
	return func(*drivers.Op) any { return plain }
}

// jsonText is the value at a path of a JSON body: the text of a string, any other value as JSON. null counts as
// absent.
func jsonText(body []byte, path *jsonpath.Path) ([]byte, bool) {
	doc, ok := document(body)
	if !ok {
		return nil, false
	}
	value, found := path.In(doc)
	if !found || value == nil {
		return nil, false
	}
	if s, ok := value.(string); ok {
		return []byte(s), true
	}
	text, err := json.Marshal(value)
	return text, err == nil
}

// same compares decoded JSON. Numbers are compared by value: 1, 1.0 and 1e0 are the same, 2^53+1 and 2^53 are not.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(string(a), string(b))
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	}
	return a == b
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	const longest = 64 // expanding an exponent of a million would take a million digits of memory
	if len(a) > longest || len(b) > longest || hugeExponent(a) || hugeExponent(b) {
		return false
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

func hugeExponent(s string) bool {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return false
	}
	n, err := strconv.Atoi(s[i+1:])
	return err != nil || n > 400 || n < -400
}
