package syntax

import (
	"bytes"
	"strings"

	"wringer/drivers"
)

// xmlDocument is the syntax of XML 1.0. It knows in which part of the document the next value stands.
type xmlDocument struct {
	inside part
	quote  byte // of the attribute
}

type part uint8

const (
	inText part = iota
	inTag
	inAttribute
	inComment
	inCDATA
	inInstruction
)

// ends are the texts that end a part and lead back to the text.
var ends = map[part]string{inComment: "-->", inCDATA: "]]>", inInstruction: "?>"}

// starts are the texts that begin a part, the longer first.
var starts = []struct {
	text string
	part part
}{{"<!--", inComment}, {"<![CDATA[", inCDATA}, {"<?", inInstruction}, {"<", inTag}}

func (x *xmlDocument) Literal(text string) string {
	for rest := text; rest != ""; {
		rest = rest[x.step(rest):]
	}
	return text
}

// step takes the next bytes of a literal, and returns their number.
func (x *xmlDocument) step(rest string) int {
	switch x.inside {
	case inText:
		for _, s := range starts {
			if strings.HasPrefix(rest, s.text) {
				x.inside = s.part
				return len(s.text)
			}
		}
	case inTag:
		switch rest[0] {
		case '>':
			x.inside = inText
		case '"', '\'':
			x.inside, x.quote = inAttribute, rest[0]
		}
	case inAttribute:
		if rest[0] == x.quote {
			x.inside = inTag
		}
	default:
		if end := ends[x.inside]; strings.HasPrefix(rest, end) {
			x.inside = inText
			return len(end)
		}
	}
	return 1
}

func (x *xmlDocument) Value(kind drivers.Kind, raw bool) drivers.Fit {
	if raw || kind == drivers.Number || kind == drivers.Plain {
		return drivers.Fit{}
	}
	switch x.inside {
	case inTag:
		return drivers.Fit{Check: xmlName}
	case inAttribute:
		return drivers.Fit{Escape: xmlAttribute.escape, Check: xmlControl}
	case inCDATA:
		return drivers.Fit{Escape: xmlCDATA.escape, Check: xmlControl}
	case inComment:
		return drivers.Fit{Check: without("--", "-", "would end the comment that it stands in")}
	case inInstruction:
		return drivers.Fit{Check: without("?>", "?", "would end the instruction that it stands in")}
	}
	return drivers.Fit{Escape: xmlText.escape, Check: xmlControl}
}

// xmlControl finds what XML cannot hold, escaped or not (XML 1.0, 2.2).
func xmlControl(value []byte) string {
	for _, c := range value {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return "holds a control character, and XML cannot"
		}
	}
	return ""
}

// xmlName finds what would end a name.
func xmlName(value []byte) string {
	if len(value) == 0 || bytes.ContainsAny(value, " \t\r\n<>\"'&/=") || xmlControl(value) != "" {
		return "stands in a tag of XML, outside of quotes, and is no name there"
	}
	return ""
}

// without refuses values that hold a text or end with its beginning.
func without(text, beginning, why string) func([]byte) string {
	return func(value []byte) string {
		if bytes.Contains(value, []byte(text)) || bytes.HasSuffix(value, []byte(beginning)) {
			return why
		}
		return xmlControl(value)
	}
}
