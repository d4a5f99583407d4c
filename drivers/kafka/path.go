package kafka

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/buger/jsonparser"
)

// path is a compiled JSON path: $.order.lines[0].id. Names are letters, digits, _ and -.
type path struct{ keys []string }

// compilePath compiles text; an empty text is a nil path.
func compilePath(text string) (*path, error) {
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("%q is no path: it begins with $, as in $.order.id", text)
	}
	p := &path{}
	for rest != "" {
		key, tail, err := cutStep(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is no path: %w; write $.order.lines[0].id", text, err)
		}
		p.keys, rest = append(p.keys, key), tail
	}
	if len(p.keys) == 0 {
		return nil, fmt.Errorf("%q names no field: write $.order.id", text)
	}
	return p, nil
}

// cutStep cuts .name or [index] off the front.
func cutStep(s string) (key, rest string, err error) {
	if s[0] == '[' {
		index, tail, ok := strings.Cut(s[1:], "]")
		if n, err := strconv.ParseUint(index, 10, 31); !ok || err != nil || strconv.FormatUint(n, 10) != index {
			return "", "", fmt.Errorf("%q is no index", s)
		}
		return "[" + index + "]", tail, nil
	}
	if s[0] != '.' {
		return "", "", fmt.Errorf("%q should begin with . or [", s)
	}
	end := 1
	for end < len(s) && isNameByte(s[end]) {
		end++
	}
	if end == 1 {
		return "", "", fmt.Errorf("%q begins with no name", s)
	}
	return s[1:end], s[end:], nil
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// find returns what stands at the path in a JSON document: the text of a string, without its quotes and escapes, or a
// number or truth value as written; nil when nothing of the kind stands there. The result is a part of doc, or of scratch,
// which grows as needed. What follows the place in the document is not looked at.
func (p *path) find(doc []byte, scratch *[]byte) []byte {
	value, kind, _, err := jsonparser.Get(doc, p.keys...)
	if err != nil {
		return nil
	}
	switch kind {
	case jsonparser.Number, jsonparser.Boolean:
		return value
	case jsonparser.String:
		if bytes.IndexByte(value, '\\') < 0 {
			return value
		}
		if cap(*scratch) < len(value) {
			*scratch = make([]byte, len(value))
		}
		plain, err := jsonparser.Unescape(value, (*scratch)[:cap(*scratch)])
		if err != nil {
			return nil
		}
		return plain
	}
	return nil
}
