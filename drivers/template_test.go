package drivers

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testEnv() *Env {
	epoch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Env{Identity: Identity{Run: "abcdefgh", Stream: "orders"}, Seed: 7, Epoch: func() time.Time { return epoch }}
}

func TestTemplatePlaces(t *testing.T) {
	op := &Op{Seq: 42, Key: 17, KeySeq: 3, Keyed: true, Planned: 1500 * time.Millisecond}
	for text, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		`{"id":"{{id}}"}`:           `{"id":"abcdefgh.orders.42"}`,
		"{{seq}}/{{ key }}":         "42/k17",
		"{{keyseq}}":                "3",
		"{{timestamp}}":             "2026-01-02T03:04:06.5Z",
		"{{unix_ms}}":               "1767323046500",
		"{{choice only}}":           "only",
		"{{choice a:0 b:5 c:0}}":    "b",
		"{{int 5 5}}":               "5",
		"{{string 0}}":              "",
		`{{"{{"}}`:                  "{{",
		"{{ `{{` }}id{{`}}`}}":      "{{id}}",
		`{{"a \"}}\" b\n"}}{{seq}}`: "a \"}}\" b\n42",
		`{{""}}`:                    "",
		`}} {{"{{"}} }}`:            "}} {{ }}",
	} {
		tmpl, err := CompileTemplate(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := tmpl.Render(testEnv(), op); got != want {
			t.Errorf("%q renders %q, want %q", text, got, want)
		}
	}
}

func TestTemplateProblems(t *testing.T) {
	for text, want := range map[string]string{
		"{{id":               "{{ without }}",
		"{{}}":               "empty",
		"{{nope}}":           "unknown name",
		"{{id 3}}":           "takes no arguments",
		"{{int 3}}":          "lowest and the highest",
		"{{int 9 1}}":        "the lower first",
		"{{string x}}":       "length",
		"{{choice}}":         "words to choose",
		"{{choice a:x}}":     "weight",
		"{{choice a:0}}":     "every weight is 0",
		"{{string 9999999}}": "length",
		`{{"{{}}`:            "does not end",
		"{{`}}":              "does not end",
		`{{"\q"}}`:           "no Go string",
		`{{"a" "b"}}`:        `{{"a" without }} behind it`,
		`{{"a"`:              `{{"a" without }} behind it`,
		`{{'a'}}`:            "unknown name",
	} {
		if _, err := CompileTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// Quoted text renders unchanged, wherever it stands, and does not affect the text around it.
func TestQuotedText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		place := strconv.Quote(text)
		if strconv.CanBackquote(text) && rapid.Bool().Draw(t, "backquotes") {
			place = "`" + text + "`"
		}
		blanks := rapid.StringMatching(`[ \t\n]*`)
		place = "{{" + blanks.Draw(t, "before") + place + blanks.Draw(t, "behind") + "}}"
		frame := rapid.SampledFrom([]string{"%s", "a%sb", "{{seq}}%s", "%s{{key}}", "}}%s}} {{id}}"}).Draw(t, "frame")
		tmpl, err := CompileTemplate(strings.Replace(frame, "%s", place, 1))
		if err != nil {
			t.Fatal(err)
		}
		around, err := CompileTemplate(strings.Replace(frame, "%s", "\x00", 1))
		if err != nil {
			t.Fatal(err)
		}
		op := &Op{Seq: 42, Key: 17}
		if got, want := tmpl.Render(testEnv(), op), strings.Replace(around.Render(testEnv(), op), "\x00", text, 1); got != want {
			t.Fatalf("%s renders %q, want %q", tmpl, got, want)
		}
		if tmpl.Static() != around.Static() {
			t.Fatalf("%s: static is %t", tmpl, tmpl.Static())
		}
	})
}

// A dialect escapes quoted text like all other text.
func TestQuotedTextIsEscaped(t *testing.T) {
	double := func(dst []byte, from int) []byte { return append(dst, dst[from:]...) }
	tmpl, err := Dialect{Syntax: Uniform(double)}.Compile(`a{{"{{"}}{{key}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := tmpl.Render(testEnv(), &Op{Key: 7}); got != "aa{{{{k7k7" {
		t.Errorf("renders %q", got)
	}
}

func TestTemplateDependsOnSeedAndOperationAlone(t *testing.T) {
	tmpl, err := CompileTemplate("{{uuid}} {{int 1 1000000}} {{string 20}} {{choice a b c d}} {{uuid}}")
	if err != nil {
		t.Fatal(err)
	}
	a := tmpl.Render(testEnv(), &Op{Seq: 1})
	if b := tmpl.Render(testEnv(), &Op{Seq: 1}); a != b {
		t.Errorf("a retry renders %q after %q", b, a)
	}
	if b := tmpl.Render(testEnv(), &Op{Seq: 2}); a == b {
		t.Errorf("two operations render the same %q", a)
	}
	words := strings.Fields(a)
	if words[0] == words[4] || len(words[0]) != 36 || len(words[2]) != 20 {
		t.Errorf("unlike places render alike, or with the wrong length: %q", a)
	}
}

func TestIdentityRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := Identity{Run: rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "run"), Stream: rapid.StringMatching(`[a-z][a-z0-9_-]{0,8}`).Draw(t, "stream")}
		seq := rapid.Uint64().Draw(t, "seq")
		if got, b := id.Parse(id.Append(nil, seq)); b != Ours || got != seq {
			t.Fatalf("%s parses as %d, %v", id.Text(seq), got, b)
		}
		if got, b := id.Reader().Parse(id.Append(nil, seq)); b != Ours || got != seq {
			t.Fatalf("%s reads as %d, %v", id.Text(seq), got, b)
		}
		other := Identity{Run: id.Run + "x", Stream: id.Stream}
		if _, b := id.Parse(other.Append(nil, seq)); b != Foreign {
			t.Fatalf("another run's identity is ours")
		}
	})
}

func TestMessages(t *testing.T) {
	env := testEnv()
	for text, want := range map[string]string{"{{message}}": "3", "{{message_id}}": "abcdefgh.orders.42.3"} {
		tmpl, err := CompileTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tmpl.Render(env, &Op{Seq: 42, Message: 3}); got != want {
			t.Errorf("%s renders %q, want %q", text, got, want)
		}
	}
	tmpl, err := CompileTemplate("{{uuid}}")
	if err != nil {
		t.Fatal(err)
	}
	first, third := tmpl.Render(env, &Op{Seq: 1}), tmpl.Render(env, &Op{Seq: 1, Message: 3})
	if first == third || third != tmpl.Render(env, &Op{Seq: 1, Message: 3}) {
		t.Errorf("messages 0 and 3 draw %s and %s", first, third)
	}
}

func FuzzMessageIdentity(f *testing.F) {
	id := Identity{Run: "abc", Stream: "s"}
	for _, s := range []string{"abc.s.1.2", "abc.s.1.02", "abc.s.1", "abc.s.1.", ".", "abc.s.1.18446744073709551616"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if seq, n, b := id.ParseMessage(text); b == Ours && string(id.AppendMessage(nil, seq, n)) != string(text) {
			t.Errorf("%q reads as message %d of %d", text, n, seq)
		}
	})
}

func FuzzIdentity(f *testing.F) {
	id := Identity{Run: "abc", Stream: "s"}
	for _, s := range []string{"abc.s.1", "abc.s.01", "abc.s.", "abc.s.18446744073709551616", "abc.s.+1", "abc.s1", "", "abc.s", "abc.t.1"} {
		f.Add([]byte(s))
	}
	reader := id.Reader()
	f.Fuzz(func(t *testing.T, text []byte) {
		seq, b := id.Parse(text)
		if b == Ours && id.Text(seq) != string(text) {
			t.Errorf("%q reads as %d, which is written %q", text, seq, id.Text(seq))
		}
		if again, c := reader.Parse(text); again != seq || c != b {
			t.Errorf("%q reads as %d, %v, and by the reader as %d, %v", text, seq, b, again, c)
		}
	})
}

// checkNumber compares with strconv, in both directions.
func checkNumber(t interface{ Errorf(string, ...any) }, text []byte) {
	want, err := strconv.ParseUint(string(text), 10, 64)
	plain := err == nil && strconv.FormatUint(want, 10) == string(text)
	if !plain {
		want = 0
	}
	if n, ok := ParseNumber(text); ok != plain || n != want {
		t.Errorf("%q reads as %d, %v, want %d, %v", text, n, ok, want, plain)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "00", "1234567", "12345678", "012345678", "18446744073709551615", "18446744073709551616", "1234/678", "1234:678", "+1", "-1", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkNumber(t, text) })
}

// TestParseNumber: numbers of every length, and the same with one byte replaced by any other.
func TestParseNumber(t *testing.T) {
	const digits = "9182736455463728190123"
	for n := range len(digits) + 1 {
		text := []byte(digits[:n])
		checkNumber(t, text)
		for i := range text {
			for c := range 256 {
				text[i] = byte(c)
				checkNumber(t, text)
			}
			text[i] = digits[i]
		}
	}
	for n := range uint64(100) {
		checkNumber(t, strconv.AppendUint(nil, math.MaxUint64-n, 10))
		checkNumber(t, []byte("184467440737095516"+strconv.FormatUint(n, 10)))
	}
	rapid.Check(t, func(t *rapid.T) {
		checkNumber(t, strconv.AppendUint(nil, rapid.Uint64().Draw(t, "number"), 10))
		checkNumber(t, []byte(rapid.StringMatching(`[0-9]{0,21}`).Draw(t, "digits")))
		checkNumber(t, rapid.SliceOfN(rapid.ByteRange('0'-2, '9'+2), 0, 21).Draw(t, "bytes"))
	})
}

// cutPlainly cuts without regard to quotes.
func cutPlainly(text string) (before, inside, after string) {
	before, rest, _ := strings.Cut(text, "{{")
	inside, after, _ = strings.Cut(rest, "}}")
	return before, inside, after
}

// FuzzTemplate: a template that compiles also renders. Its literal text, in quotes instead, renders the same. Draws depend
// on the number of the place, which quotes do not change.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"{{id}} {{int 1 2}}", `{{"{{"}}{{uuid}}`, "{{`}}`}}", `{{"\x"}}`, `{{ "a" }}`, "}}{{key}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := CompileTemplate(text)
		if err != nil || len(text) >= 100 || strings.Contains(text, "string") {
			return
		}
		var again strings.Builder
		for rest := text; ; {
			before, inside, after, found, err := cutPlace(rest)
			if err != nil {
				t.Fatal(err)
			}
			if _, plain := quoted(inside); found && !plain {
				if b, i, a := cutPlainly(rest); b != before || i != inside || a != after {
					t.Fatalf("%q is cut into %q, %q and %q", rest, before, inside, after)
				}
			}
			if before != "" {
				again.WriteString("{{" + strconv.Quote(before) + "}}")
			}
			if !found {
				break
			}
			again.WriteString("{{" + inside + "}}")
			rest = after
		}
		quoted, err := CompileTemplate(again.String())
		if err != nil {
			t.Fatalf("%q: %v", again.String(), err)
		}
		op := &Op{Seq: 1}
		if got, want := quoted.Render(testEnv(), op), tmpl.Render(testEnv(), op); got != want {
			t.Errorf("%q renders %q, and in quotes %q", text, want, got)
		}
	})
}

func TestKeyOfIsUniform(t *testing.T) {
	const keys, n = 10, 100_000
	var counts [keys]int
	for seq := range uint64(n) {
		counts[KeyOf(3, seq, keys)]++
	}
	for key, c := range counts {
		if c < n/keys*9/10 || c > n/keys*11/10 {
			t.Errorf("key %d drawn %d times of %d", key, c, n)
		}
	}
}

// TestKeysOf: both ways of drawing give the same keys, and the keys of earlier versions.
func TestKeysOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, keys, seq := rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "keys"), rapid.Uint64().Draw(t, "seq")
		if got, want := KeysOf(seed, keys)(seq), KeyOf(seed, seq, keys); got != want {
			t.Errorf("key %d, want %d", got, want)
		}
	})
	keyOf := KeysOf(1, 10_000)
	for seq, want := range []uint64{3715, 4499, 3768, 5845, 4031} {
		if got := keyOf(uint64(seq)); got != want {
			t.Errorf("operation %d has key %d, want %d", seq, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Bytes{"512": 512, "10KiB": 10240, "1MiB": 1 << 20, "1.5kB": 1500, "2 GB": 2e9, "7B": 7} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
	for text, want := range map[string]Ratio{"1%": 0.01, "10%": 0.1, "0.5": 0.5, "12.5%": 0.125} {
		var r Ratio
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q is %v, %v; want %v", text, r, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "NaN", "Inf", "1e300GiB", "10%%"} {
		var b Bytes
		var r Ratio
		if b.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is an amount of bytes", text)
		}
		if text != "1e300GiB" && r.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is a share", text)
		}
	}
}

func BenchmarkTemplate(b *testing.B) {
	tmpl, err := CompileTemplate(`{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}`)
	if err != nil {
		b.Fatal(err)
	}
	env, op, dst := testEnv(), &Op{Key: 3}, make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		op.Seq++
		dst = tmpl.Append(dst[:0], env, op)
	}
}
