package jsonpath

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFind(t *testing.T) {
	doc := ` {"a":{"b":[{"c":"x"}, {"c":"y\n\"z"}],"n":-1.5e3 , "t":true,"null":null,"o":{}},"s":"\u00e9","a-b_1":"ok","esc":"\\",
		"order id":7,"café":"au lait","a.b":"dot","[0]":"name","":"empty","\u0061\"":"quote","false":false,"a":"second"}`
	for _, test := range []struct{ path, want string }{
		{"$.a.b[0].c", "x"}, {"$.a.b[1].c", "y\n\"z"}, {"$.a.b[01].c", "y\n\"z"}, {"$.a.n", "-1.5e3"}, {"$.a.t", "true"}, {"$.false", "false"},
		{"$.s", "é"}, {"$.a-b_1", "ok"}, {"$.esc", `\`},
		{`$["order id"]`, "7"}, {"$.order id", "7"}, {"$.café", "au lait"}, {`$["a.b"]`, "dot"}, {`$["[0]"]`, "name"}, {`$[""]`, "empty"},
		{`$["a\""]`, "quote"}, {`$["a"]["b"][0]["c"]`, "x"},
		{"$", "-"}, {"$.a.null", "-"}, {"$.a.o", "-"}, {"$.a.b", "-"}, {"$.a.b[2].c", "-"}, {"$.missing", "-"}, {"$.s.x", "-"}, {"$.s[0]", "-"},
		{"$[0]", "-"}, {"$.a[0]", "-"}, {"$.a.b.c", "-"},
	} {
		p, err := Parse(test.path)
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		got := p.Find([]byte(doc), &scratch)
		if want := test.want; want == "-" && got != nil || want != "-" && (got == nil || string(got) != want) {
			t.Errorf("%s: %q, want %q", test.path, got, want)
		}
	}
}

// TestFindWhole takes documents that are one value, and texts that are no document.
func TestFindWhole(t *testing.T) {
	for _, test := range []struct{ path, doc, want string }{
		{"$", `"id"`, "id"}, {"$", " 12 ", "12"}, {"$", "true", "true"}, {"$", `""`, ""},
		{"$", "null", "-"}, {"$", "", "-"}, {"$", " ", "-"}, {"$", "truth", "-"}, {"$", `"open`, "-"}, {"$", `"\`, "-"}, {"$", `"\x"`, "-"},
		{"$[0]", "", "-"}, {"$[0]", "[", "-"}, {"$[0]", "[]", "-"}, {"$[0]", "[ ]", "-"}, {"$[1]", "[1]", "-"}, {"$[1]", "[1,", "-"}, {"$[1]", "[{]", "-"},
		{"$[1]", "[1 2]", "-"}, {"$[1]", `["`, "-"}, {"$[1]", "[,2]", "-"}, {"$[1]", `[{"a":[1,"]"]},2]`, "2"}, {"$[1]", `["\"]",2`, "2"},
		{"$.a", "{", "-"}, {"$.a", "{}", "-"}, {"$.a", "{a:1}", "-"}, {"$.a", `{"a"`, "-"}, {"$.a", `{"a":`, "-"}, {"$.a", `{"a" 1}`, "-"}, {"$.a", `{"b":1,`, "-"},
		{"$.a", `{"b":{"a":1},"a":2}`, "2"}, {"$.a", `{"\x":1,"a":2}`, "2"}, {"$.a", `{"a":1,"a":2}`, "1"}, {"$.a", `{"a":1`, "1"},
		{`$["\\u0061"]`, `{"\u0061":1}`, "-"}, {"$.a", `{"\u0061":1}`, "1"},
	} {
		p, err := Parse(test.path)
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		got := p.Find([]byte(test.doc), &scratch)
		if want := test.want; want == "-" && got != nil || want != "-" && (got == nil || string(got) != want) {
			t.Errorf("%s in %s: %q, want %q", test.path, test.doc, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "begin with $", "a": "begin with $", ".a": "begin with $", "$a": `"a" is no step`, "$.": `"." is no step`, "$.a.": `"." is no step`,
		"$..a": `"..a" is no step`, "$.a[": `"[" is no step`, "$.a[x]": `"[x]" is no step`, "$[-1]": `"[-1]" is no step`, "$[]": `"[]" is no step`,
		"$[4294967296]": "is no step", "$[1": `"[1" is no step`, `$["a]`: `is no step`, `$["a"`: `is no step`, `$["a" ]`: `is no step`, "$['a']": `is no step`,
		`$["a"]b`: `"b" is no step (character 7)`, "$.*": `the name "*" (character 3) needs quotes: write ["*"]`, "$.a.b*": `the name "b*" (character 5) needs quotes`,
		"$.a ": `the name "a " (character 3) needs quotes: write ["a "]`, "$. a": "needs quotes", "$.a\n": "needs quotes", "$.a]": "needs quotes",
		"$.é.?(x)": `the name "?(x)" (character 5) needs quotes`, "$.length()": "needs quotes", "$.'a'": "needs quotes", "$.a,b": "needs quotes", "$.a\x00b": "needs quotes",
		"$.\xff": "needs quotes",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("path %q: ", text)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// reference follows a path in the plainest way: by its text, step by step, in a decoded document.
func reference(doc any, steps []any) (any, bool) {
	for _, s := range steps {
		switch v := doc.(type) {
		case map[string]any:
			name, isName := s.(string)
			value, found := v[name]
			if !isName || !found {
				return nil, false
			}
			doc = value
		case []any:
			n, ok := s.(int)
			if !ok || n >= len(v) {
				return nil, false
			}
			doc = v[n]
		default:
			return nil, false
		}
	}
	return doc, true
}

// scalar is the text of a value that Find finds.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// plainName is a name that needs no quotes, and is sometimes written without.
var plainName = regexp.MustCompile(`^[\pL\pN$<>@_-]([\pL\pN$<>@_ -]*[\pL\pN$<>@_-])?$`)

// TestRandomDocuments finds in random documents, written in random ways, what the reference finds.
func TestRandomDocuments(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "a b", "[0]", "", "a.b", `"`, `\`, "é", "\n", "\u2028", "<x>", "$", "日本"})
	var values func(depth int) *rapid.Generator[any]
	values = func(depth int) *rapid.Generator[any] {
		leaf := rapid.OneOf(
			rapid.Map(names, func(s string) any { return s }),
			rapid.Map(rapid.SampledFrom([]string{"0", "-1.5e3", "9007199254740993", "1E-2"}), func(s string) any { return json.Number(s) }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Just(any(nil)))
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(values(depth-1), 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(names, values(depth-1), 0, 4), func(m map[string]any) any { return m }))
	}
	steps := rapid.OneOf(rapid.Map(names, func(s string) any { return s }), rapid.Map(rapid.IntRange(0, 3), func(n int) any { return n }))
	rapid.Check(t, func(t *rapid.T) {
		tree := values(3).Draw(t, "tree")
		path := rapid.SliceOfN(steps, 0, 4).Draw(t, "path")
		var text strings.Builder
		text.WriteByte('$')
		for _, s := range path {
			if name, ok := s.(string); ok && plainName.MatchString(name) && rapid.Bool().Draw(t, "plain") {
				text.WriteString("." + name)
			} else {
				fmt.Fprintf(&text, "[%s]", map[bool]string{true: strconv.Quote(name), false: fmt.Sprint(s)}[ok])
			}
		}
		p, err := Parse(text.String())
		if err != nil {
			t.Fatal(err)
		}
		var doc bytes.Buffer
		enc := json.NewEncoder(&doc)
		enc.SetEscapeHTML(rapid.Bool().Draw(t, "escape"))
		if rapid.Bool().Draw(t, "indent") {
			enc.SetIndent("\r", "\t")
		}
		if err := enc.Encode(tree); err != nil {
			t.Fatal(err)
		}
		agree(t, p, text.String(), doc.Bytes(), path)
	})
}

// agree compares In and Find with the reference.
func agree(t interface {
	Helper()
	Errorf(string, ...any)
}, p *Path, text string, doc []byte, steps []any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		t.Errorf("%s: %v", doc, err)
		return
	}
	value, exists := reference(tree, steps)
	if got, found := p.In(tree); found != exists || found && fmt.Sprint(got) != fmt.Sprint(value) {
		t.Errorf("%s in the tree of %s: %v (%t), want %v (%t)", text, doc, got, found, value, exists)
	}
	want, isScalar := scalar(value)
	var scratch []byte
	if got := p.Find(doc, &scratch); (got != nil) != isScalar || string(got) != want {
		t.Errorf("%s in %s: %q (%t), want %q (%t)", text, doc, got, got != nil, want, isScalar)
	}
}

// FuzzFind: no document makes Find fail, and in a valid document both ways find what the reference finds.
func FuzzFind(f *testing.F) {
	f.Add(`{"a":{"b":["x",{"c":1}]}}`, "$.a.b[1].c")
	f.Add(`{"a":"\u00e9\\"}`, "$.a")
	f.Add(`{"a`, "$.a")
	f.Add(`[[1,2],[3]]`, "$[1][0]")
	f.Add(`{"order id":"\"","x":[]}`, `$["order id"]`)
	f.Add(`[{},"]",-1e3`, "$[2]")
	f.Fuzz(func(t *testing.T, doc, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		var scratch []byte
		p.Find([]byte(doc), &scratch)
		if !json.Valid([]byte(doc)) || !utf8.ValidString(doc) || strings.Contains(strings.ToLower(doc), `\ud`) || repeats(json.NewDecoder(strings.NewReader(doc))) {
			return // encoding/json keeps the last of two members with one name, and replaces what is no character
		}
		var steps []any
		for _, s := range p.steps {
			if s.index < 0 {
				steps = append(steps, s.name)
			} else {
				steps = append(steps, s.index)
			}
		}
		agree(t, p, text, []byte(doc), steps)
	})
}

// repeats says whether an object of a valid document has two members with one name.
func repeats(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	open, nested := token.(json.Delim)
	seen := map[any]bool{}
	for nested && d.More() {
		if open == '{' {
			name, _ := d.Token()
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		if repeats(d) {
			return true
		}
	}
	if nested {
		_, _ = d.Token()
	}
	return false
}

// FuzzParse: a path that is taken is one of the dialect, and means the same when each of its names is quoted.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"$", "$.a.b[0]", `$["order id"].x`, "$.*", "$.a ", "$.order id", "$..a", "$[*]", "$[?(@.a)]", "$.\xff", `$["\xff"]`, "$.a\u00a0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), ": ") {
				t.Errorf("%q: %v has no remedy", text, err)
			}
			return
		}
		canonical := "$"
		for _, s := range p.steps {
			if s.index >= 0 {
				canonical += fmt.Sprintf("[%d]", s.index)
				continue
			}
			canonical += "[" + strconv.Quote(s.name) + "]"
		}
		again, err := Parse(canonical)
		if err != nil || !slices.Equal(again.steps, p.steps) {
			t.Errorf("%q is %v, and %q is %v (%v)", text, p.steps, canonical, again, err)
		}
		if strings.ContainsAny(text, "*?") && !strings.Contains(text, `"`) {
			t.Errorf("%q holds a wildcard and was taken", text)
		}
	})
}
