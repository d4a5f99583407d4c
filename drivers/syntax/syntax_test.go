package syntax

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	"wringer/drivers"
)

// rendered renders a template whose {{v}} is value.
func rendered(t testing.TB, where drivers.Syntax, template, value string) (text string, fits error) {
	t.Helper()
	d := drivers.Dialect{Syntax: where, Lookup: func(name string) drivers.Place {
		if name != "v" {
			return nil
		}
		return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return append(dst, value...) }
	}}
	c, err := d.Compile(template)
	if err != nil {
		t.Fatal(err)
	}
	env := &drivers.Env{Identity: drivers.Identity{Run: "r", Stream: "s"}, Epoch: func() time.Time { return time.Unix(0, 0) }}
	return c.Render(env, &drivers.Op{}), c.Fits(nil, env, &drivers.Op{})
}

func TestValuesWhereTheyStand(t *testing.T) {
	const json, xml, form = "application/json; charset=utf-8", "application/soap+xml", "application/x-www-form-urlencoded"
	for _, test := range []struct{ name, kind, template, value, want, unfit string }{
		{"string", json, `{"a":"x{{v}}y"}`, "a\"b\\c\n", `{"a":"xa\"b\\c\u000Ay"}`, ""},
		{"member's name", json, `{"{{v}}":1}`, `"`, `{"\"":1}`, ""},
		{"behind an escaped quote", json, `{"a":"\"{{v}}"}`, `"`, `{"a":"\"\""}`, ""},
		{"number", json, `{"a":{{v}}}`, "-1.5e+3", `{"a":-1.5e+3}`, ""},
		{"true", json, `[{{v}}]`, "true", `[true]`, ""},
		{"text outside of quotes", json, `{"a":{{v}}}`, `1,"b":2`, "", "{{v}} renders no number"},
		{"nothing outside of quotes", json, `{"a":{{v}}}`, "", "", "renders no number"},
		{"leading zero", json, `{"a":{{v}}}`, "007", "", "renders no number"},
		{"raw object", json, `{"a":{{raw v}}}`, `{"b":2}`, `{"a":{"b":2}}`, ""},
		{"own functions", json, `{"a":"{{id}} {{key}}","n":{{seq}}}`, "", `{"a":"r.s.0 k0","n":0}`, ""},
		{"words", json, `{"a":{{choice "x"}},"b":{{choice true}},"c":"{{choice a"b}}"}`, "", `{"a":"x","b":true,"c":"a\"b"}`, ""},
		{"lines of JSON", "application/x-ndjson", "{\"a\":\"{{v}}\"}\n{\"a\":\"{{v}}\"}\n", `"`, "{\"a\":\"\\\"\"}\n{\"a\":\"\\\"\"}\n", ""},
		{"no type, JSON", "", ` {"a":"{{v}}","b":{{seq}}}`, `"`, ` {"a":"\"","b":0}`, ""},
		{"no type, text outside of quotes", "", `{"a":{{v}}}`, "x", "", "renders no number"},
		{"no type, no JSON", "", `a={{v}}`, `"`, `a="`, ""},
		{"no type, a value alone", "", `{{v}}`, `"`, `"`, ""},
		{"no type, braces of another kind", "", `{a {{v}}}`, `"`, `{a "}`, ""},
		{"a templated type", "{{v}}", `{"a":"{{v}}"}`, `"`, `{"a":"\""}`, ""},
		{"text", "text/plain", `{"a":"{{v}}"}`, `"`, `{"a":"""}`, ""},
		{"form", form, "a={{v}}&b=1+2", "A&B c=%", "a=A%26B%20c%3D%25&b=1+2", ""},
		{"raw form", form, "a={{raw v}}", "1&b=2", "a=1&b=2", ""},
		{"element", xml, "<a>{{v}}</a>", "<&>'\"", "<a>&lt;&amp;&gt;'\"</a>", ""},
		{"attribute", xml, `<a b="{{v}}" c='{{v}}'>`, "<&'\"\n", `<a b="&lt;&amp;&#39;&#34;&#10;" c='&lt;&amp;&#39;&#34;&#10;'>`, ""},
		{"CDATA", xml, "<a><![CDATA[{{v}}]]></a>", "x]]>y", "<a><![CDATA[x]]]]><![CDATA[>y]]></a>", ""},
		{"tag", xml, "<{{v}}/>", "name", "<name/>", ""},
		{"no tag", xml, "<{{v}}/>", "a b='c'", "", "is no name"},
		{"behind a tag", xml, `<a b="x>y">{{v}}<!-- " -->{{v}}`, `"<`, `<a b="x>y">"&lt;<!-- " -->"&lt;`, ""},
		{"comment", xml, "<!-- {{v}} -->", "a--b", "", "would end the comment"},
		{"instruction", xml, "<?x {{v}}?>", "a?>", "", "would end the instruction"},
		{"control character", xml, "<a>{{v}}</a>", "\x01", "", "control character"},
		{"raw element", xml, "<a>{{raw v}}</a>", "<b/>", "<a><b/></a>", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, unfit := rendered(t, Body(test.kind, test.template), test.template, test.value)
			switch {
			case test.unfit != "":
				if unfit == nil || !strings.Contains(unfit.Error(), test.unfit) {
					t.Errorf("fits: %v, want %q", unfit, test.unfit)
				}
			case unfit != nil || text != test.want:
				t.Errorf("%s (%v), want %s", text, unfit, test.want)
			}
		})
	}
}

func TestPathsAndHeaders(t *testing.T) {
	for _, test := range []struct {
		name                  string
		where                 drivers.Syntax
		template, value, want string
	}{
		{"query", Path(), "/p?user={{v}}&x=%20", "A&B=+%#\"/é", "/p?user=A%26B%3D%2B%25%23%22%2F%C3%A9&x=%20"},
		{"segment", Path(), "/a/{{v}}/b", "../x y", "/a/..%2Fx%20y/b"},
		{"raw", Path(), "/a{{raw v}}", "/b?c=d&e=%20 #", "/a/b?c=d&e=%20%20%23"},
		{"own functions", Path(), "/{{id}}/{{timestamp}}", "", "/r.s.0/1970-01-01T00:00:00Z"},
		{"words", Path(), "/{{choice a/b}}/{{raw choice a/b}}", "", "/a%2Fb/a/b"},
		{"dots in a query", Path(), "/a?b=/{{v}}", "..", "/a?b=/.."},
		{"dots within a segment", Path(), "/a{{v}}", "..", "/a.."},
		{"three dots", Path(), "/{{v}}", "...", "/..."},
		{"raw dots", Path(), "/a/{{raw v}}/b", "..", "/a/../b"},
		{"header", Header(), "x {{v}}", "a\tb é:\"", "x a\tb é:\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if text, unfit := rendered(t, test.where, test.template, test.value); unfit != nil || text != test.want {
				t.Errorf("%s (%v), want %s", text, unfit, test.want)
			}
		})
	}
	for value, where := range map[string]drivers.Syntax{"a\nb": Header(), "\r": Header(), "\x00": Header(), "a:b": User()} {
		if _, unfit := rendered(t, where, "{{v}}", value); unfit == nil {
			t.Errorf("%q fits", value)
		}
		if _, unfit := rendered(t, where, "{{raw v}}", value); unfit == nil {
			t.Errorf("%q fits raw", value)
		}
	}
}

// A segment of one or two dots leads elsewhere, escaped or not.
func TestValuesThatLeadElsewhere(t *testing.T) {
	for _, template := range []string{"/a/{{v}}/b", "/{{v}}", "/a/{{v}}?c=d"} {
		for _, value := range []string{".", ".."} {
			if text, unfit := rendered(t, Path(), template, value); unfit == nil {
				t.Errorf("%s with %s: %s is sent", template, value, text)
			}
		}
	}
}

// What can be known of a template is known before anything is sent.
func TestPlacesThatNeverFit(t *testing.T) {
	for _, text := range []string{`{"a":{{id}}}`, `[{{uuid}}]`, `{"a":{{choice 1 x}}}`, `{"a":{{string 3}}}`} {
		_, err := drivers.Dialect{Syntax: Body("", text)}.Compile(text)
		if err == nil || !strings.Contains(err.Error(), "put it in quotes, or write {{raw ...}}") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever the value: the text reads back as the template with that value in it.
func TestValuesReadBack(t *testing.T) {
	for name, property := range map[string]func(v string) bool{
		"JSON": func(v string) bool {
			text, unfit := rendered(t, Body("application/json", ""), `{"a":["{{v}}"]}`, v)
			var out struct{ A []string }
			return unfit == nil && json.Unmarshal([]byte(text), &out) == nil && len(out.A) == 1 && out.A[0] == v
		},
		"query": func(v string) bool {
			text, unfit := rendered(t, Path(), "/?a={{v}}&b=1", v)
			u, err := url.Parse(text)
			return unfit == nil && err == nil && u.Query().Get("a") == v && u.Query().Get("b") == "1"
		},
		"XML": func(v string) bool {
			text, unfit := rendered(t, Body("text/xml", ""), `<a b="{{v}}">{{v}}<c><![CDATA[{{v}}]]></c></a>`, v)
			if unfit != nil {
				return xmlControl([]byte(v)) != ""
			}
			var out struct {
				B    string `xml:"b,attr"`
				Text string `xml:",chardata"`
				C    string `xml:"c"`
			}
			if xml.Unmarshal([]byte(text), &out) != nil {
				return strings.ContainsFunc(v, func(r rune) bool { return r == 0xfffe || r == 0xffff })
			}
			return out.B == v && out.Text == v && out.C == strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := quick.Check(func(v string) bool { return !utf8.ValidString(v) || property(v) }, nil); err != nil {
				t.Error(err)
			}
			for _, v := range []string{"A&B", "]]>", "<a>", "\"'", "\\", "\n", "a+b%20#?", "{{id}}"} {
				if !property(v) {
					t.Errorf("%q", v)
				}
			}
		})
	}
}

func TestScalars(t *testing.T) {
	for _, v := range []string{"0", "-0", "10", "1.0", "0.5", "1e9", "1E-9", "true", "null", "", "-", "01", "1.", ".5", "1e", "1 ", "+1", "0x1", "NaN", "tru", "\"a\"", "[]", "1,2", "-01", "00"} {
		want := json.Valid([]byte(v)) && !strings.ContainsAny(v, "\"[ ")
		if got := isScalar([]byte(v)); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestEscapesAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 256)
	for name, escape := range map[string]func([]byte, int) []byte{"line": Line, "query": Query, "json": JSONString, "xml": xmlText.escape} {
		if n := testing.AllocsPerRun(100, func() { escape(append(dst, "a<&>\" b\\"...), 0) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
