package rest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/checks"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

func problems(c *Config) []string {
	var out []string
	c.Check(func(field, message string) { out = append(out, field+": "+message) })
	return out
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		c    Config
		want string // part of the only problem; empty: no problem
	}{
		{"plain", Config{Request: "http://host/path?q=1"}, ""},
		{"all", Config{Request: "POST https://host:8443/{{int 1 9}}", Body: "{{id}}", OK: []string{"2xx", "409"},
			Checks: []Check{{Header: map[string]string{"X": "^a"}, Document: checks.Document{JSON: map[string]any{`$.a[0]["b c"]`: 1}}, Body: "x+", Size: "<= 1MiB"}}}, ""},
		{"unresolved", Config{Request: "POST ${shop.rest}/orders"}, ""},
		{"unresolved host", Config{Request: "http://${host}:80/"}, ""},
		{"missing", Config{}, "request: is missing"},
		{"no host", Config{Request: "GET http:///path"}, "request: the URL has no host"},
		{"no host but port", Config{Request: "GET http://:80/path"}, "request: the URL has no host"},
		{"no scheme", Config{Request: "GET host/path"}, `request: scheme "": write http:// or https://`},
		{"scheme", Config{Request: "ftp://host/"}, `request: scheme "ftp"`},
		{"port", Config{Request: "http://host:99999/"}, "request: port"},
		{"method", Config{Request: "post http://host/"}, "write POST"},
		{"connect", Config{Request: "CONNECT http://host/"}, "not supported"},
		{"host template", Config{Request: "http://{{choice a b}}/"}, "a stream has one target"},
		{"password", Config{Request: "http://me:secret@host/"}, "write auth"},
		{"blank", Config{Request: "http://host/a b"}, "%20"},
		{"template", Config{Request: "http://host/{{what}}"}, `request: template "/{{what}}": {{what}}: unknown name`},
		{"open template", Config{Request: "http://host/", Body: "{{id"}, "body: template"},
		{"header name", Config{Request: "http://host/", Headers: map[string]string{"a b": "x"}}, "headers.a b: "},
		{"header value", Config{Request: "http://host/", Headers: map[string]string{"A": "x\r\nB: y"}}, "headers.A: control character"},
		{"framing", Config{Request: "http://host/", Headers: map[string]string{"content-length": "1"}}, "set by the driver"},
		{"two bodies", Config{Request: "http://host/", Body: "x", BodyFile: "y"}, "body_file: stands beside body"},
		{"status", Config{Request: "http://host/", OK: []string{"2xx", "abc"}}, `ok[1]: "abc" is no status`},
		{"interim status", Config{Request: "http://host/", OK: []string{"100"}}, `ok[0]`},
		{"empty check", Config{Request: "http://host/", Checks: []Check{{}}}, "checks[0]: checks nothing"},
		{"regexp", Config{Request: "http://host/", Checks: []Check{{Body: "("}}}, "checks[0].body"},
		{"unknown place in a regexp", Config{Request: "http://host/", Checks: []Check{{Header: map[string]string{"X": "{{order}}"}}}}, "checks[0].header.X: template"},
		{"broken regexp with a place", Config{Request: "http://host/", Checks: []Check{{NotBody: "({{id}}"}}}, "checks[0].not_body: error parsing"},
		{"name of a check", Config{Request: "http://host/", Checks: []Check{{Document: checks.Document{Name: "a b"}, Body: "x"}}}, "checks[0].name: \"a b\" is no name"},
		{"two names", Config{Request: "http://host/", Checks: []Check{{Document: checks.Document{Name: "a"}, Body: "x"}, {Document: checks.Document{Name: "a"}, Body: "y"}}},
			"checks[1].name: two checks are named a"},
		{"path", Config{Request: "http://host/", Checks: []Check{{Document: checks.Document{JSON: map[string]any{"a.b": 1}}}}}, "begin with $"},
		{"step", Config{Request: "http://host/", Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.a[x]": 1}}}}}, "is no step"},
		{"size", Config{Request: "http://host/", Checks: []Check{{Size: "10KiB"}}}, "checks[0].size"},
		{"TLS pair", Config{Request: "https://host/", TLS: tlsconfig.Config{Cert: "x"}}, "tls: cert and key go together"},
		{"TLS without https", Config{Request: "http://host/", TLS: tlsconfig.Config{Insecure: true}}, "tls: works only with https"},
		{"HTTP/2 closing", Config{Request: "https://host/", HTTP2: true, Keepalive: new(bool)}, "keepalive"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := problems(&test.c)
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestOpenChecksAgain(t *testing.T) {
	for _, c := range []Config{
		{Request: "http://${host}/"},
		{Request: "ftp://host/"},
		{Request: "http://host/", BodyFile: "absent.json"},
		{Request: "https://host/", TLS: tlsconfig.Config{CA: "absent.pem"}},
	} {
		_, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
		if !errors.Is(err, drivers.ErrConfig) {
			t.Errorf("%s: %v", c.Request, err)
		}
	}
}

func TestBodyFile(t *testing.T) {
	env := drivertest.NewEnv(t, time.Now())
	if err := os.WriteFile(filepath.Join(env.Files, "order.json"), []byte(`{"id":"{{id}}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := (&Config{Request: "POST http://host/", BodyFile: "order.json"}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := d.(*driver).request.appendBody(nil, &drivers.Op{Seq: 3}); string(got) != `{"id":"r1.conformance.3"}` {
		t.Errorf("body %s", got)
	}
}

func TestChecks(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Odd: a\r\nX-Odd: b\r\nX-Id: /orders/r1.conformance.1\r\n"
	body := `{"status":"PLACED","id":"r1.conformance.1","n":1.50,"big":9007199254740993,"items":[{"id":null}],"a b":true,"seq":1,"deep":[{"id":"r1.conformance.1","seq":1.0}]}`
	for _, test := range []struct {
		name  string
		check Check
		body  string
		holds bool
	}{
		{"header", Check{Header: map[string]string{"content-type": "^application/json$"}}, body, true},
		{"any value of a header", Check{Header: map[string]string{"X-Odd": "^b$"}}, body, true},
		{"other header", Check{Header: map[string]string{"X-Odd": "c"}}, body, false},
		{"absent header", Check{Header: map[string]string{"X-None": ""}}, body, false},
		{"string", Check{Document: checks.Document{JSON: map[string]any{"$.status": "PLACED"}}}, body, true},
		{"template", Check{Document: checks.Document{JSON: map[string]any{"$.id": "{{id}}"}}}, body, true},
		{"template of a number", Check{Document: checks.Document{JSON: map[string]any{"$.seq": "{{seq}}"}}}, body, true},
		{"template of another number", Check{Document: checks.Document{JSON: map[string]any{"$.n": "{{seq}}"}}}, body, false},
		{"template that is no number", Check{Document: checks.Document{JSON: map[string]any{"$.seq": "0{{seq}}"}}}, body, false},
		{"templates within", Check{Document: checks.Document{JSON: map[string]any{"$.deep": []any{map[string]any{"id": "{{id}}", "seq": "{{seq}}"}}}}}, body, true},
		{"another template within", Check{Document: checks.Document{JSON: map[string]any{"$.deep": []any{map[string]any{"id": "{{id}}", "seq": "{{id}}"}}}}}, body, false},
		{"other string", Check{Document: checks.Document{JSON: map[string]any{"$.status": "FAILED"}}}, body, false},
		{"number", Check{Document: checks.Document{JSON: map[string]any{"$.n": 1.5}}}, body, true},
		{"string is no number", Check{Document: checks.Document{JSON: map[string]any{"$.n": "1.5"}}}, body, false},
		{"big number", Check{Document: checks.Document{JSON: map[string]any{"$.big": 9007199254740993}}}, body, true},
		{"near number", Check{Document: checks.Document{JSON: map[string]any{"$.big": 9007199254740992}}}, body, false},
		{"null", Check{Document: checks.Document{JSON: map[string]any{"$.items[0].id": nil}}}, body, true},
		{"absent is not null", Check{Document: checks.Document{JSON: map[string]any{"$.items[0].name": nil}}}, body, false},
		{"beyond the list", Check{Document: checks.Document{JSON: map[string]any{"$.items[1]": nil}}}, body, false},
		{"whole list", Check{Document: checks.Document{JSON: map[string]any{"$.items": []any{map[string]any{"id": nil}}}}}, body, true},
		{"quoted", Check{Document: checks.Document{JSON: map[string]any{`$["a b"]`: true}}}, body, true},
		{"no JSON", Check{Document: checks.Document{JSON: map[string]any{"$": 1}}}, "1 2", false},
		{"garbage JSON", Check{Document: checks.Document{JSON: map[string]any{"$.status": "PLACED"}}}, body[:40], false},
		{"body", Check{Body: `"PLACED"`}, body, true},
		{"other body", Check{Body: "^$"}, body, false},
		{"size", Check{Size: "< 1KiB"}, body, true},
		{"too big", Check{Size: "<= 10"}, body, false},
		{"header with a value", Check{Header: map[string]string{"X-Id": "^/orders/{{id}}$"}}, body, true},
		{"header with another value", Check{Header: map[string]string{"X-Id": "^/{{id}}$"}}, body, false},
		{"a value is no expression", Check{Header: map[string]string{"X-Odd": `^{{"["}}`}}, body, false},
		{"no value of a header", Check{NotHeader: map[string]string{"X-Odd": "c"}}, body, true},
		{"some value of a header", Check{NotHeader: map[string]string{"X-Odd": "^b$"}}, body, false},
		{"no header", Check{NotHeader: map[string]string{"X-None": "{{id}}"}}, body, true},
		{"not this header", Check{NotHeader: map[string]string{"X-Id": "{{id}}$"}}, body, false},
		{"not this body", Check{NotBody: "{{id}}"}, body, false},
		{"another body", Check{NotBody: "FAILED"}, body, true},
		{"absent", Check{Document: checks.Document{Absent: []string{"$.items[0].id"}}}, body, false},
		{"both must hold", Check{Size: "> 1", Body: "absent"}, body, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Request: "http://host/", Checks: []Check{test.check}}
			d := open(t, &c).(*driver)
			text := head + "\r\n" + test.body
			a := answer{}
			r := reader{c: newConn(script{strings.NewReader(text)}, nil, false), evaluator: d.evaluator, a: &a, maxBody: 1 << 20}
			if err := r.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			var at drivers.Attempt
			d.evaluator.decide(&a, &drivers.Op{Seq: 1}, &at)
			want := drivers.Attempt{Outcome: drivers.Acked, Answered: true, Status: 200, In: int64(len(test.body))}
			if !test.holds {
				want = drivers.Attempt{Outcome: drivers.Indeterminate, Code: drivers.CodeCheck, Answered: true, Detail: at.Detail, Status: 200, In: int64(len(test.body))}
			}
			if at != want {
				t.Errorf("got %+v", at)
			}
		})
	}
}

func TestStatusEntries(t *testing.T) {
	low, high, err := parseStatus("3XX")
	if err != nil || low != 300 || high != 399 {
		t.Errorf("%d to %d, %v", low, high, err)
	}
	for _, bad := range []string{"", "99", "600", "2x", "20x", "+20", "-20", "2.0"} {
		if _, _, err := parseStatus(bad); err == nil {
			t.Errorf("%q was taken for a status", bad)
		}
	}
}
