// Package jsonpath names one place in a JSON document: $, $.order.id, $.lines[0].sku, $["order id"]. The dialect is the same
// wherever a scenario names a field. It has no wildcards, slices or filters: a path leads to one value or to none.
package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path is a compiled path. It is read only, and safe for concurrent use.
type Path struct{ steps []step }

// step leads from a value to one of its members or elements.
type step struct {
	name  string
	index int // of an element; -1: a member has the name
}

// reserved are the characters that a name without quotes does not hold. Other dialects give them a meaning.
const reserved = `.[]*?()"',\`

// Parse compiles a path: $ is the whole document, .name a member, [0] an element counted from 0, ["any name"] a member of any
// name (quoted as a Go string). A name without quotes holds none of .[]*?()"',\ and no control character, and has no blank at
// its ends.
func Parse(text string) (*Path, error) {
	rest, found := strings.CutPrefix(text, "$")
	if !found {
		return nil, fmt.Errorf("path %q: begin with $, as in $.items[0].id", text)
	}
	p := &Path{}
	for rest != "" {
		next, tail, ok := cutStep(rest)
		at := utf8.RuneCountInString(text[:len(text)-len(rest)]) + 1
		if !ok {
			return nil, fmt.Errorf("path %q: %q is no step (character %d): write .name, [0] or [\"name\"]", text, rest, at)
		}
		if next.index < 0 && rest[0] == '.' && !plain(next.name) {
			return nil, fmt.Errorf("path %q: the name %q (character %d) needs quotes: write [%q] for a member of that name; there are no wildcards and filters",
				text, next.name, at+1, next.name)
		}
		p.steps, rest = append(p.steps, next), tail
	}
	return p, nil
}

// plain says whether a name needs no quotes.
func plain(name string) bool {
	return name == strings.TrimSpace(name) && utf8.ValidString(name) && !strings.ContainsAny(name, reserved) && !strings.ContainsFunc(name, unicode.IsControl)
}

// cutStep cuts one step off the front of s, which is not empty.
func cutStep(s string) (_ step, tail string, ok bool) {
	if name, found := strings.CutPrefix(s, "."); found {
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		return step{name[:end], -1}, name[end:], end > 0
	}
	inside, found := strings.CutPrefix(s, "[")
	if !found {
		return step{}, "", false
	}
	if strings.HasPrefix(inside, `"`) {
		quoted, err := strconv.QuotedPrefix(inside)
		if err != nil || !strings.HasPrefix(inside[len(quoted):], "]") {
			return step{}, "", false
		}
		name, err := strconv.Unquote(quoted)
		return step{name, -1}, inside[len(quoted)+1:], err == nil
	}
	digits, tail, found := strings.Cut(inside, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	return step{"", int(n)}, tail, found && err == nil
}

// In returns what stands at the path in a decoded document (map[string]any, []any and values, as encoding/json makes them).
func (p *Path) In(doc any) (value any, found bool) {
	for _, s := range p.steps {
		if s.index < 0 {
			members, ok := doc.(map[string]any)
			if !ok {
				return nil, false
			}
			if doc, ok = members[s.name]; !ok {
				return nil, false
			}
			continue
		}
		elements, ok := doc.([]any)
		if !ok || s.index >= len(elements) {
			return nil, false
		}
		doc = elements[s.index]
	}
	return doc, true
}
