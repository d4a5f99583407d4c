package syntax

import (
	"mime"
	"strings"

	"wringer/drivers"
)

// Path is the syntax of a URL's path and query. Literals keep their delimiters. A value is one segment or one parameter; a raw
// value keeps its delimiters.
func Path() drivers.Syntax { return new(path) }

// path is a URL's path and query, read so far.
type path struct {
	query bool
	begun bool // the segment has a literal text already
}

func (p *path) Literal(text string) string {
	p.query = p.query || strings.Contains(text, "?")
	p.begun = !strings.HasSuffix(text, "/")
	return string(Line([]byte(text), 0))
}

func (p *path) Value(kind drivers.Kind, raw bool) drivers.Fit {
	switch {
	case kind == drivers.Number || kind == drivers.Plain:
		return drivers.Fit{}
	case raw:
		return drivers.Fit{Escape: Line}
	case p.query || p.begun:
		return drivers.Fit{Escape: Query}
	}
	return drivers.Fit{Escape: Query, Check: step}
}

// step finds the segments that lead to another path. Escaped they mean the same (RFC 3986, 6.2.2.3).
func step(value []byte) string {
	if s := string(value); s == "." || s == ".." {
		return "renders " + s + ", a step to another path, which no escape prevents; write {{raw ...}} if it is wanted"
	}
	return ""
}

// Header is the syntax of a header's value. No value can add a line, raw or not.
func Header() drivers.Syntax { return header{} }

type header struct{ verbatim }

func (header) Value(kind drivers.Kind, _ bool) drivers.Fit {
	if kind == drivers.Number || kind == drivers.Plain {
		return drivers.Fit{}
	}
	return drivers.Fit{Check: control}
}

// control finds what no header can hold (RFC 9110, 5.5).
func control(value []byte) string {
	for _, c := range value {
		switch {
		case c == '\r' || c == '\n':
			return "holds a line end, and no header can"
		case c < ' ' && c != '\t' || c == 0x7f:
			return "holds a control character, and no header can"
		}
	}
	return ""
}

// User is the syntax of the user of Basic authentication, which a colon would end (RFC 7617).
func User() drivers.Syntax { return user{} }

type user struct{ verbatim }

func (user) Value(kind drivers.Kind, _ bool) drivers.Fit {
	if kind == drivers.Number || kind == drivers.Plain {
		return drivers.Fit{}
	}
	return drivers.Fit{Check: func(value []byte) string {
		if strings.IndexByte(string(value), ':') >= 0 {
			return "holds a colon, which would end the user's name"
		}
		return ""
	}}
}

// verbatim leaves literals as they are.
type verbatim struct{}

func (verbatim) Literal(text string) string { return text }

// form is the syntax of application/x-www-form-urlencoded.
type form struct{ verbatim }

func (form) Value(kind drivers.Kind, raw bool) drivers.Fit {
	if raw || kind == drivers.Number || kind == drivers.Plain {
		return drivers.Fit{}
	}
	return drivers.Fit{Escape: Query}
}

// Body is the syntax of a body by its content type. Without one, or with one that {{...}} tells, the text is JSON if the template
// is JSON whatever its places render. nil: the text has no syntax that is known here, and values stand as they are.
func Body(contentType, template string) drivers.Syntax {
	if contentType == "" || strings.Contains(contentType, "{{") {
		if isJSON(template) {
			return new(jsonText)
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	switch kind = strings.TrimSpace(kind); {
	case kind == "application/x-www-form-urlencoded":
		return form{}
	case kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "json-seq") ||
		strings.HasSuffix(kind, "ndjson") || strings.HasSuffix(kind, "jsonl") || strings.HasSuffix(kind, "jsonlines"):
		return new(jsonText)
	case kind == "application/xml" || kind == "text/xml" || strings.HasSuffix(kind, "+xml"):
		return new(xmlDocument)
	}
	return nil
}
