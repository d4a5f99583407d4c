package checks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/drivers"
)

// compiler compiles for operations whose values are id 7.1 and captured texts. problems takes what is wrong.
func compiler(t *testing.T, problems *[]string) *Compiler {
	t.Helper()
	dialect := drivers.Dialect{Lookup: func(name string) drivers.Place {
		text, known := map[string]string{"order": "o.1", "n": "12", "open": "("}[name]
		if !known {
			return nil
		}
		return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return append(dst, text...) }
	}}
	return &Compiler{
		Problem: func(field, message string) { *problems = append(*problems, field+": "+message) },
		Text: func(field, text string, where drivers.Syntax) Renderer {
			d := dialect
			d.Syntax = where
			template, err := d.Compile(text)
			if err != nil {
				*problems = append(*problems, field+": "+err.Error())
				return nil
			}
			return func(dst []byte, op *drivers.Op) []byte { return template.Append(dst, &drivers.Env{}, op) }
		},
		Folder: t.TempDir(), Readable: func(string) bool { return true },
	}
}

const answer = `{"id":"o.1","n":12,"long":"9007199254740993","none":null,"list":[1,2,3],"empty":[],"paid":5,"total":5.0,"at":"2026-01-02","ok":true,"deep":{"n":"12"}}`

func TestConditions(t *testing.T) {
	for name, test := range map[string]struct {
		check Document
		why   string // a part of it; empty: holds
	}{
		"absent":                   {Document{Absent: []string{"$.gone", "$.deep.gone"}}, ""},
		"null is not absent":       {Document{Absent: []string{"$.none"}}, "json $.none is null, not absent"},
		"null":                     {Document{Null: []string{"$.none"}}, ""},
		"absent is not null":       {Document{Null: []string{"$.gone"}}, "json $.gone is absent, not null"},
		"a value is not null":      {Document{Null: []string{"$.n"}}, "json $.n is 12, not null"},
		"absent or null":           {Document{AbsentOrNull: []string{"$.gone", "$.none"}}, ""},
		"neither":                  {Document{AbsentOrNull: []string{"$.n"}}, "neither absent nor null"},
		"equal":                    {Document{JSON: map[string]any{"$.total": 5, "$.deep": map[string]any{"n": "{{n}}"}}}, ""},
		"not equal":                {Document{NotEqual: map[string]any{"$.n": 13, "$.id": "{{n}}", "$.none": 1}}, ""},
		"equal all the same":       {Document{NotEqual: map[string]any{"$.n": "{{n}}"}}, "json $.n is 12, which it must not be"},
		"not equal and absent":     {Document{NotEqual: map[string]any{"$.gone": 1}}, "json $.gone is absent"},
		"match":                    {Document{Match: map[string]string{"$.id": "^{{order}}$", "$.n": "^1", "$.ok": "true"}}, ""},
		"a value matches itself":   {Document{Match: map[string]string{"$.at": "^....{{order}}"}}, "does not match"},
		"a bracket matches itself": {Document{NotMatch: map[string]string{"$.id": "{{open}}"}}, ""},
		"no scalar":                {Document{Match: map[string]string{"$.list": "."}}, "no text, number or truth value"},
		"null does not match":      {Document{Match: map[string]string{"$.none": ".*"}}, "no text, number or truth value"},
		"not match":                {Document{NotMatch: map[string]string{"$.id": "^o"}}, `json $.id is "o.1", which matches ^o`},
		"not match and absent":     {Document{NotMatch: map[string]string{"$.gone": "^o"}}, "json $.gone is absent"},
		"two values of the answer": {Document{Compare: []string{"$.paid == $.total", "$.paid <= $.total", "$.paid < $.n"}}, ""},
		"less paid":                {Document{Compare: []string{"$.paid > $.total"}}, "$.paid is 5 and $.total is 5.0, and not >"},
		"a captured number":        {Document{Compare: []string{"$.n == {{n}}", "$.n >= {{n}}", "$.paid != {{n}}"}}, ""},
		"texts":                    {Document{Compare: []string{`$.at < "2026-02-01"`, `$.id == "o.1"`, "$.id == {{order}}"}}, ""},
		"no order":                 {Document{Compare: []string{"$.n < $.id"}}, "have no order"},
		"no order of null":         {Document{Compare: []string{"$.none <= 3"}}, "have no order"},
		"compared and absent":      {Document{Compare: []string{"$.gone != 3"}}, "json $.gone is absent"},
		"the other is absent":      {Document{Compare: []string{"3 != $.gone"}}, "json $.gone is absent"},
		"length":                   {Document{Length: map[string]string{"$.list": "3", "$.empty": "<= 0"}}, ""},
		"short":                    {Document{Length: map[string]string{"$.list": "> 3"}}, "json $.list has 3 elements, which is not > 3"},
		"length of none":           {Document{Length: map[string]string{"$.id": "3"}}, "and no list"},
		"a text is no number":      {Document{Compare: []string{"$.long > 1"}}, "have no order"},
	} {
		t.Run(name, func(t *testing.T) {
			var problems []string
			conditions := compiler(t, &problems).Compile(&test.check, "checks[0]")
			doc, err := Decode([]byte(answer))
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			why := conditions.Failing(doc, new(drivers.Op))
			if (test.why == "") != (why == "") || !strings.Contains(why, test.why) {
				t.Errorf("got %q, want %q", why, test.why)
			}
		})
	}
}

// Where the JSON form writes whole numbers as texts, they are compared as numbers.
func TestTextNumbers(t *testing.T) {
	doc, _ := Decode([]byte(`{"a":"10","b":"9","c":9,"d":true}`))
	for text, want := range map[string]bool{
		"$.a > $.b": true, "$.b < $.a": true, "$.b == $.c": true, "$.a == 10": true, "$.a == 10.0": true, `$.c == "9"`: true, "$.a == 1": false, "$.d == 1": false,
	} {
		var problems []string
		c := compiler(t, &problems)
		c.TextNumbers = true
		if why := c.Compile(&Document{Compare: []string{text}}, "c").Failing(doc, new(drivers.Op)); (why == "") != want || len(problems) > 0 {
			t.Errorf("%s: %q %q", text, why, problems)
		}
	}
}

// A target cannot make the load generator expand a number.
func TestUnwieldyNumbers(t *testing.T) {
	doc, _ := Decode([]byte(`{"n":1e999999999,"m":1}`))
	var problems []string
	c := compiler(t, &problems)
	if err := os.WriteFile(filepath.Join(c.Folder, "s.json"), []byte(`{"properties":{"n":{"maximum":5}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Document{{Compare: []string{"$.n > $.m"}}, {JSON: map[string]any{"$.n": 7}}, {Schema: "s.json"}} {
		if why := c.Compile(&d, "c").Failing(doc, new(drivers.Op)); why == "" {
			t.Errorf("%+v holds", d)
		}
	}
}

func TestSchema(t *testing.T) {
	var problems []string
	c := compiler(t, &problems)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(c.Folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("order.json", `{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"n":{"$ref":"#/$defs/count"}},"$defs":{"count":{"type":"integer","maximum":12}}}`)
	write("away.json", `{"$ref":"http://127.0.0.1:1/schema.json"}`)
	write("beside.json", `{"$ref":"order.json"}`)
	write("odd.json", `{"type":"order"}`)
	write("broken.json", `{`)
	holds := c.Compile(&Document{Schema: "order.json"}, "checks[0]")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for text, want := range map[string]string{
		answer:               "",
		`{"id":"a","n":13}`:  "at '/n': maximum: got 13, want 12",
		`{"n":1}`:            "missing property 'id'",
		`{"id":"a","n":1.5}`: "at '/n'",
	} {
		doc, _ := Decode([]byte(text))
		if why := holds.Failing(doc, new(drivers.Op)); (want == "") != (why == "") || !strings.Contains(why, want) || strings.Contains(why, "\n") {
			t.Errorf("%s: %q, want %q", text, why, want)
		}
	}
	for name, want := range map[string]string{
		"away.json": "$ref leads to http://127.0.0.1:1/schema.json", "beside.json": "copy the part that it means into $defs",
		"odd.json": "is no JSON Schema", "broken.json": "is no JSON document", "none.json": "no such file",
	} {
		problems = nil
		c.Compile(&Document{Schema: name}, "checks[0]")
		if len(problems) != 1 || !strings.Contains(problems[0], want) || !strings.HasPrefix(problems[0], "checks[0].schema: ") {
			t.Errorf("%s: %q, want %q", name, problems, want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		check Document
		want  string
	}{
		{Document{Absent: []string{"$.a", "b"}}, `checks[0].absent[1]: path "b": begin with $`},
		{Document{NotEqual: map[string]any{"$.a": "{{who}}"}}, "checks[0].not_equal.$.a: template"},
		{Document{JSON: map[string]any{"$.a": []any{map[string]any{"b": "{{who}}"}}}}, "checks[0].json.$.a[0].b: template"},
		{Document{Match: map[string]string{"$.a": "("}}, "checks[0].match.$.a: error parsing"},
		{Document{NotMatch: map[string]string{"$.a": "{{who}}"}}, "checks[0].not_match.$.a: template"},
		{Document{Compare: []string{"$.a=$.b"}}, "checks[0].compare[0]: \"$.a=$.b\": write two values"},
		{Document{Compare: []string{"$.a < b"}}, "checks[0].compare[0]: \"b\" is no value"},
		{Document{Compare: []string{"1 < {{n}}"}}, "no side is a value of the answer"},
		{Document{Compare: []string{"$.a[ < 1"}}, "is no step"},
		{Document{Length: map[string]string{"$.a": "many"}}, "checks[0].length.$.a: \"many\": write a number of elements"},
		{Document{Length: map[string]string{"$.a": "> -1"}}, "write a number of elements"},
	} {
		var problems []string
		compiler(t, &problems).Compile(&test.check, "checks[0]")
		if len(problems) != 1 || !strings.Contains(problems[0], test.want) {
			t.Errorf("%+v: %q, want %q", test.check, problems, test.want)
		}
	}
}

// Checks with a name are applied to each answer, even after one that failed, because gates count each.
func TestSet(t *testing.T) {
	var names Names
	var set Set[string]
	calls := make(map[string]int)
	for _, name := range []string{"a", "", "b", "c"} {
		bit, err := names.Add(name)
		if err != nil {
			t.Fatal(err)
		}
		set.Add(name, bit, func(answer string, _ *drivers.Op) string {
			calls[name]++
			if name == "c" || strings.Contains(answer, "bad") {
				return "is bad"
			}
			return ""
		})
	}
	var at drivers.Attempt
	if why := set.Judge("bad", new(drivers.Op), &at); why != "check a: is bad" || at.Checked != 7 || at.Failed != 7 || calls[""] != 0 || calls["b"] != 1 {
		t.Errorf("%q %b %b %v", why, at.Checked, at.Failed, calls)
	}
	at = drivers.Attempt{}
	if why := set.Judge("good", new(drivers.Op), &at); why != "check c: is bad" || at.Checked != 7 || at.Failed != 4 {
		t.Errorf("%q %b %b", why, at.Checked, at.Failed)
	}
	if !slices.Equal(names, Names{"a", "b", "c"}) {
		t.Errorf("%q", names)
	}
	for i := len(names); i < drivers.MaxCheckNames; i++ {
		names.Add(fmt.Sprint("n", i))
	}
	for name, want := range map[string]string{"a": "two checks are named a", "x y": "is no name", "more": "more than 64"} {
		if bit, err := names.Add(name); bit != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHugeNumbers: numbers that are too long to be expanded are the same only if they are written so. No check holds because it is not
// known whether they are.
func TestHugeNumbers(t *testing.T) {
	doc, err := Decode([]byte(`{"huge":1e1000}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		check Document
		why   string // a part of it; empty: holds
	}{
		"not equal": {Document{NotEqual: map[string]any{"$.huge": json.Number("10e999")}}, "too long a number"},
		"!=":        {Document{Compare: []string{"$.huge != 10e999"}}, "too long a number"},
		"<":         {Document{Compare: []string{"$.huge < 1e2000"}}, "no order"},
		"==":        {Document{Compare: []string{"$.huge == 1e1000"}}, ""},
		"a text":    {Document{Compare: []string{`$.huge != "a"`}}, ""},
	} {
		var problems []string
		why := compiler(t, &problems).Compile(&test.check, "checks[0]").Failing(doc, &drivers.Op{})
		if len(problems) > 0 || (why == "") != (test.why == "") || !strings.Contains(why, test.why) {
			t.Errorf("%s: %q, want %q; problems %q", name, why, test.why, problems)
		}
	}
}
