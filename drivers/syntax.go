package drivers

import "slices"

// Syntax is that of the text in which a template stands: a path, a header, JSON. It makes literals and values fit there. Compile
// hands it the template from the beginning, so a Syntax can follow quotes and brackets. One Compile uses it.
type Syntax interface {
	// Literal takes the literal text that follows, and returns what is sent for it.
	Literal(text string) string
	// Value returns how a value is made fit that stands behind what was taken so far. raw: the scenario wants the value as it is.
	Value(kind Kind, raw bool) Fit
}

// Fit says how a value is made fit.
type Fit struct {
	// Escape rewrites dst[from:], which the value rendered; nil: as it is.
	Escape func(dst []byte, from int) []byte
	// Check returns why a value cannot stand here, as the end of a sentence about it; "" if it can. nil: all can. It sees the
	// value before Escape.
	Check func(value []byte) string
	// Never says why no value of this kind can stand here; "": some can.
	Never string
}

// escaped is p with the escape behind it.
func (f Fit) escaped(p Place) Place {
	if f.Escape == nil {
		return p
	}
	return func(dst []byte, env *Env, op *Op, number uint64) []byte {
		from := len(dst)
		return f.Escape(p(dst, env, op, number), from)
	}
}

// Kind says what a place can render.
type Kind uint8

const (
	// Open: any text, as a column of data or a captured value.
	Open Kind = iota
	// Words: a word of the scenario's own choice.
	Words
	// Plain: letters, digits and -_.: as an identity has.
	Plain
	// Number: a whole number.
	Number
)

// KindOf is the kind of a place by the words between its braces.
func KindOf(words []string) Kind {
	switch {
	case len(words) == 0:
		return Open
	case words[0] == "choice":
		return Words
	case slices.Contains(numbers, words[0]):
		return Number
	case slices.Contains(reworded, words[0]):
		return Open
	case Reserved(words[0]):
		return Plain
	}
	return Open
}

// reworded are the places that render any text.
var reworded = []string{"base64", "base64url", "now", "text", "upper"}

// numbers are the places that render a number.
var numbers = []string{"int", "keyseq", "message", "seq", "unix_ms"}

// Uniform is a syntax in which the same escape makes literals and values fit.
func Uniform(escape func(dst []byte, from int) []byte) Syntax { return uniform(escape) }

type uniform func(dst []byte, from int) []byte

func (u uniform) Literal(text string) string { return string(u([]byte(text), 0)) }

func (u uniform) Value(kind Kind, raw bool) Fit {
	if raw || kind == Number {
		return Fit{}
	}
	return Fit{Escape: u}
}
