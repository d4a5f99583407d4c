package drivers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Template is a text with {{...}} places, compiled once and rendered per operation without allocating. What a place
// renders depends on the seed, the operation and the place alone: an operation's retries carry the same bytes.
//
// Places: {{id}} the operation's identity; {{seq}}, {{key}} ("k17"), {{keyseq}}; {{uuid}}; {{int 1 100}} (both ends
// included); {{string 12}} (letters and digits); {{choice a b c}}, {{choice a:3 b:1}} with weights; {{timestamp}} the
// planned start as RFC 3339 in UTC; {{now %Y-%m-%d}} the same by strftime's letters; {{unix_ms}} the same in milliseconds; {{message}} the number of a message within its
// operation, and {{message_id}} its identity, where an operation sends more than one; {{traceparent}}, {{b3}} and {{xray}} the values
// of the headers of a trace, whose span alone differs in each attempt; {{"text"}} or {{`text`}}, Go's string
// literals, for text as it is: {{"{{"}} renders {{.
//
// {{base64 NAME}}, {{base64url NAME}}, {{hex NAME}}, {{sha256 NAME}} (in hex) and {{upper NAME}} change what another place renders.
// {{text NAME}} renders it as a text, where a number would else be sent as one. {{seq + 1000}} computes with whole numbers, from left to
// right; seq, keyseq, message and unix_ms may stand before + - * / %.
//
// A value is escaped for where it stands, as the dialect's Syntax says. {{raw NAME}} is not.
type Template struct {
	text   string
	static bool
	parts  []Place
	guards []guard
}

// guard checks what a place renders.
type guard struct {
	place  Place // without an escape
	number uint64
	words  string // the place as written
	check  func(value []byte) string
}

// Place is one {{...}} of a template. It appends its text for op to dst. number is the place's number within its template,
// so that its draws differ from those of other places. It is safe for concurrent use, and allocates nothing.
type Place func(dst []byte, env *Env, op *Op, number uint64) []byte

// Dialect is what a template may hold beyond the standard places. The zero value adds nothing.
type Dialect struct {
	// Lookup returns a further place by name, nil if there is none.
	Lookup func(name string) Place
	// Names are the names that Lookup knows, for messages.
	Names []string
	// Syntax makes text fit for where the template stands; nil: everything fits. It serves one Compile.
	Syntax Syntax
}

// MaxTemplateString bounds {{string N}}.
const MaxTemplateString = 1 << 20

// CompileTemplate compiles text. Errors name the faulty place and the remedy.
func CompileTemplate(text string) (*Template, error) { return Dialect{}.Compile(text) }

// Literal is a template without places, whatever its text holds.
func Literal(text string) *Template {
	return &Template{text: text, static: true, parts: []Place{literal(text)}}
}

// Compile is CompileTemplate in this dialect.
func (d Dialect) Compile(text string) (*Template, error) {
	t := &Template{text: text, static: true}
	rest := text
	for {
		before, inside, after, found, err := cutPlace(rest)
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", clip(text), err)
		}
		if before != "" {
			t.parts = append(t.parts, d.literal(before))
		}
		if !found {
			return t, nil
		}
		rest = after
		if plain, ok := quoted(inside); ok {
			t.parts = append(t.parts, d.literal(plain))
			continue
		}
		if err := t.add(d, inside); err != nil {
			return nil, fmt.Errorf("template %q: {{%s}}: %w", clip(text), inside, err)
		}
		t.static = false
	}
}

// add adds a place.
func (t *Template) add(d Dialect, inside string) error {
	words := strings.Fields(inside)
	raw := len(words) > 1 && words[0] == "raw"
	if raw {
		words = words[1:]
	}
	fit, kind := Fit{}, KindOf(words)
	if d.Syntax != nil {
		fit = d.Syntax.Value(kind, raw)
	}
	if kind == Words && len(words) > 1 {
		p, err := compileChoice(words[1:], fit)
		t.parts = append(t.parts, p)
		return err
	}
	if fit.Never != "" {
		return errors.New(fit.Never)
	}
	p, err := d.place(words)
	if err != nil {
		return err
	}
	if fit.Check != nil {
		t.guards = append(t.guards, guard{p, uint64(len(t.parts)), strings.Join(words, " "), fit.Check})
	}
	t.parts = append(t.parts, fit.escaped(p))
	return nil
}

// cutPlace cuts a template's text at its first place: the text before the braces, between them and after. Without a place,
// all text is before. Quoted text between the braces may hold braces.
func cutPlace(text string) (before, inside, after string, found bool, err error) {
	before, rest, found := strings.Cut(text, "{{")
	if !found {
		return text, "", "", false, nil
	}
	lead := strings.TrimSpace(rest)
	if !strings.HasPrefix(lead, `"`) && !strings.HasPrefix(lead, "`") {
		if inside, after, found = strings.Cut(rest, "}}"); !found {
			return "", "", "", false, errors.New("{{ without }}")
		}
		return before, inside, after, true, nil
	}
	lead = rest[strings.Index(rest, lead[:1]):]
	quote, err := strconv.QuotedPrefix(lead)
	if err != nil {
		return "", "", "", false, errors.New("{{ with a quoted text that does not end, or is no Go string")
	}
	end := strings.TrimLeftFunc(lead[len(quote):], unicode.IsSpace)
	after, closed := strings.CutPrefix(end, "}}")
	if !closed {
		return "", "", "", false, fmt.Errorf("{{%s without }} behind it", quote)
	}
	return before, rest[:len(rest)-len(end)], after, true, nil
}

// quoted reads a place that is quoted text.
func quoted(inside string) (text string, ok bool) {
	inside = strings.TrimSpace(inside)
	if inside == "" || inside[0] != '"' && inside[0] != '`' {
		return "", false
	}
	text, err := strconv.Unquote(inside)
	return text, err == nil
}

// String returns the text that was compiled.
func (t *Template) String() string { return t.text }

// Static reports whether every operation renders the same bytes.
func (t *Template) Static() bool { return t.static }

// Append renders the template for op and appends it to dst.
func (t *Template) Append(dst []byte, env *Env, op *Op) []byte {
	for i, p := range t.parts {
		dst = p(dst, env, op, uint64(i))
	}
	return dst
}

// Guarded says whether Fits can find anything.
func (t *Template) Guarded() bool { return len(t.guards) > 0 }

// Fits returns why what the template renders for op cannot stand where it stands; nil if it can. The error names the place, not
// the value. Fits renders into the free room of scratch.
func (t *Template) Fits(scratch []byte, env *Env, op *Op) error {
	from := len(scratch)
	for i := range t.guards {
		g := &t.guards[i]
		if why := g.check(g.place(scratch, env, op, g.number)[from:]); why != "" {
			return fmt.Errorf("{{%s}} %s", g.words, why)
		}
	}
	return nil
}

// Render is Append as a string.
func (t *Template) Render(env *Env, op *Op) string { return string(t.Append(nil, env, op)) }

// AppendKey appends the text of an operation's key: k17.
func AppendKey(dst []byte, key uint64) []byte {
	return strconv.AppendUint(append(dst, 'k'), key, 10)
}

// ParseKey reads a text written by AppendKey.
func ParseKey(text []byte) (key uint64, ok bool) {
	if len(text) < 2 || text[0] != 'k' {
		return 0, false
	}
	key, err := strconv.ParseUint(string(text[1:]), 10, 64)
	return key, err == nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
