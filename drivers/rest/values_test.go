package rest

import (
	"net/http"
	"strings"
	"testing"

	"wringer/drivers"
)

// What a column of data holds arrives as that, whatever it is sent in.
func TestValuesArriveAsTheyAre(t *testing.T) {
	const name = `A&B "c"<d>\ +%23#`
	files := map[string]string{
		"u.csv":  "name,n\n\"" + strings.ReplaceAll(name, `"`, `""`) + "\",-1.5\n",
		"b.json": `{"t":"{{data.name}}","n":{{data.n}}}`,
	}
	jsonType := map[string]string{"Content-Type": "application/json"}
	wantJSON := `{"t":"A&B \"c\"<d>\\ +%23#","n":-1.5}`
	for _, test := range []struct {
		name   string
		config Config
		got    func(r *http.Request, body string) string
		want   string
	}{
		{"URL", Config{Request: "/?user={{data.name}}&n={{data.n}}"}, func(r *http.Request, _ string) string {
			return r.URL.Query().Get("user") + "|" + r.URL.Query().Get("n")
		}, name + "|-1.5"},
		{"path", Config{Request: "/{{data.name}}/x"}, func(r *http.Request, _ string) string { return r.URL.Path }, "/" + name + "/x"},
		{"query", Config{Request: "/", Query: map[string]string{"user": "{{data.name}}"}}, func(r *http.Request, _ string) string { return r.URL.Query().Get("user") }, name},
		{"form", Config{Request: "POST /", Form: map[string]string{"user": "{{data.name}}"}}, func(_ *http.Request, body string) string { return body }, "user=A%26B%20%22c%22%3Cd%3E%5C%20%2B%2523%23"},
		{"form as a body", Config{Request: "POST /", Headers: map[string]string{"content-type": "application/x-www-form-urlencoded"}, Body: "user={{data.name}}"},
			func(_ *http.Request, body string) string { return body }, "user=A%26B%20%22c%22%3Cd%3E%5C%20%2B%2523%23"},
		{"JSON as a body", Config{Request: "POST /", Body: files["b.json"]}, func(_ *http.Request, body string) string { return body }, wantJSON},
		{"JSON as a body by its type", Config{Request: "POST /", Headers: jsonType, Body: files["b.json"]}, func(_ *http.Request, body string) string { return body }, wantJSON},
		{"JSON of a file", Config{Request: "POST /", BodyFile: "b.json"}, func(_ *http.Request, body string) string { return body }, wantJSON},
		{"json", Config{Request: "POST /", JSON: map[string]any{"t": "{{data.name}}"}}, func(_ *http.Request, body string) string { return body }, `{"t":"A&B \"c\"<d>\\ +%23#"}`},
		{"json of numbers", Config{Request: "POST /", JSON: map[string]any{"a": "{{seq + 41}}", "b": "{{text seq}}", "c": "n {{data.n}}", "d": "{{text data.n}}", "n": "{{data.n}}", "t": "{{data.name}}"}},
			func(_ *http.Request, body string) string { return body }, `{"a":41,"b":"0","c":"n -1.5","d":"-1.5","n":-1.5,"t":"A&B \"c\"<d>\\ +%23#"}`},
		{"XML as a body", Config{Request: "POST /", Headers: map[string]string{"Content-Type": "text/xml"}, Body: "<a>{{data.name}}</a>"}, func(_ *http.Request, body string) string { return body }, `<a>A&amp;B "c"&lt;d&gt;\ +%23#</a>`},
		{"text", Config{Request: "POST /", Body: "{{data.name}}"}, func(_ *http.Request, body string) string { return body }, name},
		{"header", Config{Request: "/", Headers: map[string]string{"X": "{{data.name}}"}}, func(r *http.Request, _ string) string { return r.Header.Get("X") }, name},
		{"raw", Config{Request: "POST /?{{raw data.n}}", Body: `{"t":{{raw data.name}}}`}, func(r *http.Request, body string) string { return r.URL.RawQuery + body }, `-1.5{"t":` + name + `}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, answerOK)
				for _, steps := range []bool{false, true} {
					c := test.config
					c.Request = strings.Replace(c.Request, "/", w.URL+"/", 1)
					if steps {
						c = Config{Steps: []Step{{Name: "a", Request: c.Request, Query: c.Query, Headers: c.Headers, Body: c.Body, BodyFile: c.BodyFile, JSON: c.JSON, Form: c.Form}}}
					}
					c.Data, c.HTTP2 = &drivers.Data{File: "u.csv", Types: map[string]string{"n": "number"}}, http2
					expect(t, do(t, sessionIn(t, &c, files), 0), drivers.Acked, "")
					last := len(w.requests()) - 1
					if got := test.got(w.requests()[last], w.bodies()[last]); got != test.want {
						t.Errorf("%s, want %s", got, test.want)
					}
				}
			})
		})
	}
}

// A value that cannot stand where it would ends its operation unsent, and the next one is sent.
func TestValueThatDoesNotFit(t *testing.T) {
	for name, c := range map[string]Config{
		"JSON": {Request: "POST /", Body: `{"n":{{data.n}}}`},
		"user": {Request: "/", Auth: Auth{Basic: &Basic{User: "{{data.n}}"}}},
		"XML":  {Request: "POST /", Headers: map[string]string{"Content-Type": "text/xml"}, Body: "<{{data.n}}/>"},
	} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, answerOK)
				good := map[string]string{"JSON": "1", "user": "a", "XML": "a"}[name]
				c := c
				c.Request = strings.Replace(c.Request, "/", w.URL+"/", 1)
				c.Data, c.HTTP2 = &drivers.Data{File: "u.csv"}, http2
				s := sessionIn(t, &c, map[string]string{"u.csv": "n\n" + good + "\n\"a: b\"\n" + good + "\n"})
				for seq, want := range []string{"", drivers.CodeMessage, ""} {
					at := do(t, s, uint64(seq))
					if at.Code != want || at.Wire != (want == "") || want != "" && (at.Outcome != drivers.Rejected || !strings.Contains(at.Detail, "{{data.n}}")) {
						t.Errorf("operation %d: %+v", seq, at)
					}
				}
				if n := len(w.requests()); n != 2 {
					t.Errorf("%d requests came", n)
				}
			})
		})
	}
}
