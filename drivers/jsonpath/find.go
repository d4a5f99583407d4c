package jsonpath

import (
	"bytes"

	"github.com/buger/jsonparser"
)

// Find returns what stands at the path in a JSON document that is not decoded: the text of a string, without its quotes and
// escapes, or a number, true or false as written. It returns nil where no such value stands: null, objects and lists are none.
// The result is a part of doc or of scratch, which grows as needed and may be used again once the result is not. Of members
// with one name the first counts. Find does not look at what follows the place, so a document that is not JSON may have a result.
//
// The search is our own, and jsonparser only undoes the escapes. jsonparser's search takes the key [0] for an element and for
// a member of that name. It panics on an empty name in a list, and it reads a list to its end.
func (p *Path) Find(doc []byte, scratch *[]byte) []byte {
	at := space(doc, 0)
	for i := range p.steps {
		if s := &p.steps[i]; s.index < 0 {
			at = member(doc, at, s.name)
		} else {
			at = element(doc, at, s.index)
		}
		if at < 0 {
			return nil
		}
	}
	if at == len(doc) {
		return nil
	}
	switch doc[at] {
	case '"':
		end := skipString(doc, at)
		if end < 0 {
			return nil
		}
		return unescape(doc[at+1:end-1], scratch)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return doc[at:skipLiteral(doc, at)]
	case 't', 'f':
		if text := doc[at:skipLiteral(doc, at)]; string(text) == "true" || string(text) == "false" {
			return text
		}
	}
	return nil
}

// unescape returns the text of a string that stands in a document as raw; nil when an escape is none.
func unescape(raw []byte, scratch *[]byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	if cap(*scratch) < len(raw) {
		*scratch = make([]byte, len(raw))
	}
	plain, err := jsonparser.Unescape(raw, (*scratch)[:cap(*scratch)])
	if err != nil {
		return nil
	}
	return plain
}

// member returns where the value of a member begins, of the object that begins at index at; -1 when there is none.
func member(doc []byte, at int, name string) int {
	at, ok := enter(doc, at, '{')
	for ok {
		end := skipString(doc, at)
		if end < 0 {
			return -1
		}
		value := space(doc, end)
		if value == len(doc) || doc[value] != ':' {
			return -1
		}
		value = space(doc, value+1)
		if isName(doc[at+1:end-1], name) {
			return value
		}
		at, ok = next(doc, value)
	}
	return -1
}

// isName says whether a member's name, which stands in the document as raw, is name.
func isName(raw []byte, name string) bool {
	if string(raw) == name {
		return bytes.IndexByte(raw, '\\') < 0
	}
	if len(raw) <= len(name) || bytes.IndexByte(raw, '\\') < 0 {
		return false // an escape is longer than the character that it stands for
	}
	var scratch []byte
	return string(unescape(raw, &scratch)) == name
}

// element returns where element n begins, of the list that begins at index at; -1 when there is none.
func element(doc []byte, at, n int) int {
	at, ok := enter(doc, at, '[')
	for ; ok; n-- {
		if n == 0 {
			if doc[at] == ']' {
				return -1
			}
			return at
		}
		at, ok = next(doc, at)
	}
	return -1
}

// enter returns where the first member or element begins, of the object or list that open begins.
func enter(doc []byte, at int, open byte) (first int, ok bool) {
	if at >= len(doc) || doc[at] != open {
		return -1, false
	}
	first = space(doc, at+1)
	return first, first < len(doc)
}

// next skips the value that begins at index at, and returns where the member or element behind its comma begins.
func next(doc []byte, at int) (_ int, ok bool) {
	end := skipValue(doc, at)
	if end < 0 {
		return -1, false
	}
	if end = space(doc, end); end == len(doc) || doc[end] != ',' {
		return -1, false
	}
	end = space(doc, end+1)
	return end, end < len(doc)
}

// space returns the first index from at on that holds no white space, or the document's length.
func space(doc []byte, at int) int {
	for at < len(doc) && (doc[at] == ' ' || doc[at] == '\n' || doc[at] == '\t' || doc[at] == '\r') {
		at++
	}
	return at
}

// skipValue returns the index behind the value that begins at index at; -1 when it has no end.
func skipValue(doc []byte, at int) int {
	if at == len(doc) {
		return -1
	}
	switch doc[at] {
	case '"':
		return skipString(doc, at)
	case '{', '[':
		return skipNested(doc, at)
	}
	if end := skipLiteral(doc, at); end > at {
		return end
	}
	return -1
}

// skipNested skips an object or a list. It counts braces and brackets alike: in JSON they match.
func skipNested(doc []byte, at int) int {
	for depth := 0; at < len(doc); {
		switch doc[at] {
		case '"':
			if at = skipString(doc, at); at < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return -1
}

// skipString returns the index behind the closing quote of the string that begins at index at; -1 when no string begins there
// or it has no end.
func skipString(doc []byte, at int) int {
	if doc[at] != '"' {
		return -1
	}
	for first := at + 1; ; {
		n := bytes.IndexByte(doc[at+1:], '"')
		if n < 0 {
			return -1
		}
		at += n + 1
		escapes := 0
		for at-escapes > first && doc[at-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
}

// skipLiteral returns the index behind a number, true, false or null.
func skipLiteral(doc []byte, at int) int {
	for at < len(doc) {
		switch doc[at] {
		case ',', ':', '}', ']', '{', '[', '"', ' ', '\n', '\t', '\r':
			return at
		}
		at++
	}
	return at
}
