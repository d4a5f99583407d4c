package rest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/drivers/checks"
)

// Check is one entry of `checks`. Every condition in it must hold.
type Check struct {
	checks.Document `yaml:",inline"`
	Header          map[string]string `yaml:"header" jsonschema_description:"Regular expressions by header name; some value of that header must match. May hold {{...}}, which stands for the text itself."`
	NotHeader       map[string]string `yaml:"not_header" jsonschema_description:"Regular expressions by header name; no value of that header may match. A header that is absent holds."`
	Body            string            `yaml:"body" jsonschema_description:"A regular expression that the body must match. May hold {{...}}, which stands for the text itself."`
	NotBody         string            `yaml:"not_body" jsonschema_description:"A regular expression that the body must not match."`
	Size            string            `yaml:"size" jsonschema_description:"A bound on the body's size, as in < 10KiB."`
}

// check returns the condition that does not hold, or "". It quotes a little of the answer.
type check func(*answer, *drivers.Op) string

// add compiles one entry.
func (ev *evaluator) add(c *Check, field string, cp *compiler) {
	bit, err := cp.named.Add(c.Name)
	if err != nil {
		cp.problemAt(field+".name", err.Error())
	}
	if !c.Looks() && len(c.Header)+len(c.NotHeader) == 0 && c.Body+c.NotBody+c.Size == "" {
		cp.problemAt(field, "checks nothing; write header, json, body, size or another condition")
	}
	compiler := cp.checker()
	all := ev.headerChecks(c.Header, true, field+".header", compiler)
	all = append(all, ev.headerChecks(c.NotHeader, false, field+".not_header", compiler)...)
	if c.Looks() {
		ev.keep = true
		all = append(all, onDocument(compiler.Compile(&c.Document, field)))
	}
	all = append(all, ev.bodyCheck(c.Body, true, field+".body", compiler)...)
	all = append(all, ev.bodyCheck(c.NotBody, false, field+".not_body", compiler)...)
	if c.Size != "" {
		if holds, err := parseSize(c.Size); err != nil {
			cp.problemAt(field+".size", err.Error())
		} else {
			all = append(all, sizeCheck(c.Size, holds))
		}
	}
	ev.checks.Add(c.Name, bit, func(a *answer, op *drivers.Op) string {
		for _, failing := range all {
			if why := failing(a, op); why != "" {
				return why
			}
		}
		return ""
	})
}

// checker compiles the conditions of checks.
func (cp *compiler) checker() *checks.Compiler {
	c := &checks.Compiler{Problem: cp.problemAt, Readable: cp.readable}
	if cp.env != nil {
		c.Folder = cp.env.Files
	}
	c.Text = func(field, s string, where drivers.Syntax) checks.Renderer {
		t := cp.text(field, s, wantPlace, where)
		if t.template == nil {
			return nil
		}
		return t.append
	}
	return c
}

// headerChecks compiles the conditions on headers. want: some value must match; else none may.
func (ev *evaluator) headerChecks(headers map[string]string, want bool, field string, cp *checks.Compiler) (all []check) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !isToken(name) {
			cp.Problem(field, fmt.Sprintf("%q is no header name", name))
		}
		re := cp.Pattern(field+"."+name, headers[name])
		switch {
		case re == nil:
		case re.Fixed() != nil:
			all = append(all, ev.fixedHeader(name, re, want))
		default:
			all = append(all, ev.renderedHeader(name, re, want))
		}
	}
	return all
}

// fixedHeader looks at a header's values as they come.
func (ev *evaluator) fixedHeader(name string, re *checks.Pattern, want bool) check {
	n := len(ev.headers)
	ev.headers = append(ev.headers, headerCheck{name, re.Fixed()})
	return func(a *answer, _ *drivers.Op) string {
		switch {
		case a.matched[n] == want:
			return ""
		case !want:
			return "header " + name + " has a value that matches " + re.String()
		case a.unmatched[n] != "":
			return "header " + name + " is " + strconv.Quote(a.unmatched[n]) + ", which does not match " + re.String()
		}
		return "header " + name + " is absent, or empty and does not match " + re.String()
	}
}

// renderedHeader keeps a header's values until the operation is known that they are compared with.
func (ev *evaluator) renderedHeader(name string, re *checks.Pattern, want bool) check {
	n := len(ev.gathered)
	ev.gathered = append(ev.gathered, name)
	return func(a *answer, op *drivers.Op) string {
		for _, value := range a.lines[n] {
			matched, err := re.Match(op, value)
			switch {
			case err != nil:
				return "header " + name + ": " + err.Error()
			case matched && want:
				return ""
			case matched:
				return "header " + name + " is " + strconv.Quote(clip(value, shownValue)) + ", which matches " + re.String()
			}
		}
		switch {
		case !want:
			return ""
		case len(a.lines[n]) == 0:
			return "header " + name + " is absent"
		}
		return "header " + name + " is " + strconv.Quote(clip(a.lines[n][0], shownValue)) + ", which does not match " + re.String()
	}
}

// bodyCheck compiles a condition on the body as a text.
func (ev *evaluator) bodyCheck(text string, want bool, field string, cp *checks.Compiler) []check {
	if text == "" {
		return nil
	}
	ev.keep = true
	re := cp.Pattern(field, text)
	if re == nil {
		return nil
	}
	return []check{func(a *answer, op *drivers.Op) string {
		matched, err := re.Match(op, a.body)
		switch {
		case err != nil:
			return "the body: " + err.Error()
		case matched == want:
			return ""
		case want:
			return "the body does not match " + re.String() + ": " + clip(a.body, shownBody)
		}
		return "the body matches " + re.String() + ": " + clip(a.body, shownBody)
	}}
}

// onDocument applies conditions to a body that is JSON.
func onDocument(conditions checks.Conditions) check {
	return func(a *answer, op *drivers.Op) string {
		doc, err := checks.Decode(a.body)
		if err != nil {
			return "the body is no JSON document: " + clip(a.body, shownBody)
		}
		return conditions.Failing(doc, op)
	}
}

func sizeCheck(spec string, holds func(int64) bool) check {
	return func(a *answer, _ *drivers.Op) string {
		if holds(a.size) {
			return ""
		}
		return fmt.Sprintf("the body has %d bytes, which is not %s", a.size, spec)
	}
}

// parseSize reads a comparison and an amount: < 10KiB.
func parseSize(s string) (func(int64) bool, error) {
	sign, amount := checks.CutComparison(strings.TrimSpace(s))
	if sign == "" {
		return nil, fmt.Errorf("%q: write a comparison and an amount, as in < 10KiB", s)
	}
	var limit drivers.Bytes
	if err := limit.UnmarshalText([]byte(amount)); err != nil {
		return nil, err
	}
	return func(n int64) bool { return checks.Holds(sign, int(n-int64(limit))) }, nil
}
