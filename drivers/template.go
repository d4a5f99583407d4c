package drivers

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Template is a text with {{...}} places, compiled once and rendered per operation without allocating. What a place
// renders depends on the seed, the operation and the place alone: an operation's retries carry the same bytes.
//
// Places: {{id}} the operation's identity; {{seq}}, {{key}} ("k17"), {{keyseq}}; {{uuid}}; {{int 1 100}} (both ends
// included); {{string 12}} (letters and digits); {{choice a b c}}, {{choice a:3 b:1}} with weights; {{timestamp}} the
// planned start as RFC 3339 in UTC; {{unix_ms}} the same in milliseconds; {{message}} the number of a message within its
// operation, and {{message_id}} its identity, where an operation sends more than one; {{"text"}} or {{`text`}}, Go's string
// literals, for text as it is: {{"{{"}} renders {{.
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

func literal(s string) Place {
	return func(dst []byte, _ *Env, _ *Op, _ uint64) []byte { return append(dst, s...) }
}

// literal is the text between places, escaped once.
func (d Dialect) literal(s string) Place {
	if d.Syntax != nil {
		s = d.Syntax.Literal(s)
	}
	return literal(s)
}

func (d Dialect) place(words []string) (Place, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("empty; allowed: %s", d.names())
	}
	name, args := words[0], words[1:]
	if d.Lookup != nil {
		if p := d.Lookup(name); p != nil {
			return p, noArguments(name, args)
		}
	}
	if p, ok := plainPlaces[name]; ok {
		return p, noArguments(name, args)
	}
	switch name {
	case "int":
		return compileInt(args)
	case "string":
		return compileString(args)
	case "choice":
		return compileChoice(args, Fit{})
	}
	return nil, fmt.Errorf("unknown name %q; allowed: %s", name, d.names())
}

func noArguments(name string, args []string) error {
	if len(args) != 0 {
		return fmt.Errorf("%s takes no arguments", name)
	}
	return nil
}

// names lists the names allowed in a place.
func (d Dialect) names() string {
	all := slices.Concat(placeNames, d.Names)
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Reserved says whether every template has a place with this name.
func Reserved(name string) bool { return slices.Contains(placeNames, name) }

var placeNames = []string{"choice", "id", "int", "key", "keyseq", "message", "message_id", "raw", "seq", "string", "timestamp", "unix_ms", "uuid"}

var plainPlaces = map[string]Place{
	"id": func(dst []byte, env *Env, op *Op, _ uint64) []byte { return env.Identity.Append(dst, op.Seq) },
	"seq": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.Seq, 10)
	},
	"key": func(dst []byte, _ *Env, op *Op, _ uint64) []byte { return AppendKey(dst, op.Key) },
	"keyseq": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.KeySeq, 10)
	},
	"message": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.Message, 10)
	},
	"message_id": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return env.Identity.AppendMessage(dst, op.Seq, op.Message)
	},
	"uuid": func(dst []byte, env *Env, op *Op, place uint64) []byte {
		return appendUUID(dst, draw(env, op, 2*place), draw(env, op, 2*place+1<<32))
	},
	"timestamp": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return env.Epoch().Add(op.Planned).UTC().AppendFormat(dst, time.RFC3339Nano)
	},
	"unix_ms": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return strconv.AppendInt(dst, env.Epoch().Add(op.Planned).UnixMilli(), 10)
	},
}

func compileInt(args []string) (Place, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("int takes the lowest and the highest value, as in {{int 1 100}}")
	}
	low, err1 := strconv.ParseInt(args[0], 10, 64)
	high, err2 := strconv.ParseInt(args[1], 10, 64)
	if err1 != nil || err2 != nil || high < low {
		return nil, fmt.Errorf("int takes two whole numbers, the lower first")
	}
	span := uint64(high-low) + 1
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		return strconv.AppendInt(dst, low+int64(DrawBelow(draw(env, op, place), span)), 10)
	}, nil
}

func compileString(args []string) (Place, error) {
	n := -1
	if len(args) == 1 {
		if v, err := strconv.Atoi(args[0]); err == nil {
			n = v
		}
	}
	if n < 0 || n > MaxTemplateString {
		return nil, fmt.Errorf("string takes a length of 0 to %d", MaxTemplateString)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		var bits uint64
		for i := range n {
			if i%10 == 0 {
				bits = draw(env, op, place<<24+uint64(i))
			}
			dst = append(dst, letters[bits&63])
			bits >>= 6
		}
		return dst
	}, nil
}

// compileChoice makes the words fit at once.
func compileChoice(args []string, fit Fit) (Place, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("choice takes the words to choose from")
	}
	var words []string
	var ends []uint64
	var sum uint64
	for _, a := range args {
		word, weight := a, uint64(1)
		if i := strings.LastIndexByte(a, ':'); i >= 0 {
			w, err := strconv.ParseUint(a[i+1:], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("weight of %q is not a whole number", a)
			}
			word, weight = a[:i], w
		}
		if fit.Check != nil {
			if why := fit.Check([]byte(word)); why != "" {
				return nil, fmt.Errorf("%q %s", word, why)
			}
		}
		if fit.Escape != nil {
			word = string(fit.Escape([]byte(word), 0))
		}
		sum += weight
		words, ends = append(words, word), append(ends, sum)
	}
	if sum == 0 {
		return nil, fmt.Errorf("every weight is 0")
	}
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		v := DrawBelow(draw(env, op, place), sum)
		for i, end := range ends {
			if v < end {
				return append(dst, words[i]...)
			}
		}
		return dst
	}, nil
}

// Draw returns 64 bits that depend on its arguments alone: SplitMix64's finaliser (Steele, Lea, Flood 2014) over a sponge
// of the three. It replaces a random number generator where a draw must not depend on earlier draws.
func Draw(seed, seq, place uint64) uint64 { return drawMixed(mixSeed(seed), seq, place) }

// mixSeed is the part of Draw that depends on the seed alone.
func mixSeed(seed uint64) uint64 { return mix(seed + 0x9e3779b97f4a7c15) }

// drawMixed is the rest of Draw.
func drawMixed(mixed, seq, place uint64) uint64 {
	x := mix(mixed ^ (seq+1)*0xbf58476d1ce4e5b9)
	return mix(x ^ (place+1)*0x94d049bb133111eb)
}

// draw is Draw for one place of one message. Message 0 draws the same as an operation without messages.
func draw(env *Env, op *Op, place uint64) uint64 {
	seed := env.Seed
	if op.Message > 0 {
		seed = Draw(seed, op.Message, messagePlace)
	}
	return Draw(seed, op.Seq, place)
}

// messagePlace keeps the seeds of messages apart from the draws of template places.
const messagePlace = 1 << 63

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// DrawBelow maps a draw onto 0..n-1; n of 0 gives 0. It is Lemire's multiply-shift. Its bias, n/2^64, is negligible.
func DrawBelow(draw, n uint64) uint64 {
	hi, _ := bits.Mul64(draw, n)
	return hi
}

// DrawUnit maps a draw onto [0, 1).
func DrawUnit(draw uint64) float64 { return float64(draw>>11) / (1 << 53) }

// appendUUID writes a version 4 UUID (RFC 9562).
func appendUUID(dst []byte, a, b uint64) []byte {
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
