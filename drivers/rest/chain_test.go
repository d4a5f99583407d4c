package rest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"wringer/drivers"
	"wringer/drivers/checks"
)

// shopSteps is a chain that creates an order, reads it back and cancels it.
func shopSteps(url string) []Step {
	return []Step{
		{Name: "create", Request: "POST " + url + "/orders", JSON: map[string]any{"ref": "{{id}}"},
			Capture: map[string]string{"order": "$.order.id", "etag": `header ETag "(.*)"`, "word": `body "note":"(\w+)`}},
		{Name: "read", Request: "GET " + url + "/orders/{{order}}", Query: map[string]string{"w": "{{word}}"}, Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.order.id": "{{order}}"}}}}},
		{Name: "cancel", Request: "DELETE " + url + "/orders/{{order}}", Headers: map[string]string{"If-Match": "{{etag}}"}},
	}
}

func TestChain(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("ETag", `"v 1"`)
			io.WriteString(rw, `{"order":{"id":"o 7/8"},"note":"fine"}`)
		})
		s := sessionIn(t, &Config{Steps: shopSteps(w.URL), HTTP2: http2, Headers: map[string]string{"X-All": "{{id}}"}}, nil)
		at := do(t, s, 4)
		expect(t, at, drivers.Acked, "")
		var paths []string
		for _, r := range w.requests() {
			paths = append(paths, r.Method+" "+r.RequestURI+" "+r.Header.Get("X-All"))
		}
		want := "POST /orders r1.conformance.4, GET /orders/o%207%2F8?w=fine r1.conformance.4, DELETE /orders/o%207%2F8 r1.conformance.4"
		if got := strings.Join(paths, ", "); got != want || w.requests()[2].Header.Get("If-Match") != "v 1" {
			t.Errorf("%s, If-Match %q", got, w.requests()[2].Header.Get("If-Match"))
		}
		steps := *at.Steps
		if len(steps) != 3 || w.connections() != 1 || !http2 && at.Out != int64(len(w.bodies()[0])) {
			t.Errorf("%d steps over %d connections", len(steps), w.connections())
		}
		for i := range steps {
			if s := steps[i]; s.Outcome != drivers.Acked || !s.Answered || s.Done < s.Sent || i > 0 && s.Sent < steps[i-1].Done {
				t.Errorf("step %d: %+v", i, s)
			}
		}
		if at.Sent != steps[0].Sent || at.Done != steps[2].Done || at.Done < at.Sent {
			t.Errorf("attempt %v to %v, steps %+v", at.Sent, at.Done, steps)
		}
	})
}

// The outcome of a chain that ends early depends on the steps before.
func TestChainThatEndsEarly(t *testing.T) {
	for _, test := range []struct {
		name    string
		methods string
		answers string // a status or a behaviour for each step
		outcome drivers.Outcome
		code    string
		steps   int
	}{
		{"first refused", "POST GET", "409", drivers.Rejected, "http_409", 1},
		{"first failed", "POST GET", "500", drivers.Indeterminate, "http_500", 1},
		{"after an effect", "POST GET", "200 404", drivers.Indeterminate, "http_404", 2},
		{"after a look", "GET POST", "200 409", drivers.Rejected, "http_409", 2},
		{"after a look and an effect", "GET PUT DELETE", "200 200 409", drivers.Indeterminate, "http_409", 3},
		{"fails after a look", "GET POST", "200 503", drivers.Indeterminate, "http_503", 2},
		{"closed in the second", "POST POST", "200 close", drivers.Indeterminate, drivers.CodeClosed, 2},
		{"nothing to capture", "POST POST", "empty 200", drivers.Indeterminate, drivers.CodeCheck, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				answers := strings.Fields(test.answers)
				var n atomic.Int64
				w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) {
					switch a := answers[n.Add(1)-1]; a {
					case "close":
						panic(http.ErrAbortHandler)
					case "empty":
						io.WriteString(rw, `{"x":null}`)
					default:
						var status int
						fmt.Sscan(a, &status)
						rw.WriteHeader(status)
						io.WriteString(rw, `{"x":1}`)
					}
				})
				c := Config{HTTP2: http2}
				for i, method := range strings.Fields(test.methods) {
					s := Step{Name: fmt.Sprint("s", i), Request: method + " " + w.URL}
					if i == 0 {
						s.Capture = map[string]string{"x": "$.x"}
					}
					c.Steps = append(c.Steps, s)
				}
				at := do(t, sessionIn(t, &c, nil), 0)
				code := test.code
				if http2 && code == drivers.CodeClosed {
					code = drivers.CodeReset // of the stream
				}
				expect(t, at, test.outcome, code)
				if steps := *at.Steps; len(steps) != test.steps || steps[len(steps)-1].Code != code {
					t.Errorf("steps %+v", steps)
				}
			})
		})
	}
}

func TestCheckOfChains(t *testing.T) {
	step := func(change func(*Step)) Config {
		s := Step{Name: "a", Request: "http://h/"}
		change(&s)
		return Config{Steps: []Step{s, {Name: "b", Request: "http://h/"}}}
	}
	for _, test := range []struct {
		name string
		c    Config
		want string
	}{
		{"fine", step(func(*Step) {}), ""},
		{"name", step(func(s *Step) { s.Name = "a b" }), "steps[0].name"},
		{"twice", step(func(s *Step) { s.Name = "b" }), "two steps are named b"},
		{"no request", step(func(s *Step) { s.Request = "" }), "steps[0].request: is missing"},
		{"reserved", step(func(s *Step) { s.Capture = map[string]string{"id": "$.id"} }), "is a built-in name"},
		{"capture", step(func(s *Step) { s.Capture = map[string]string{"x": "id"} }), "steps[0].capture.x: \"id\": write a path"},
		{"capture path", step(func(s *Step) { s.Capture = map[string]string{"x": "$.a["} }), "is no step"},
		{"capture name", step(func(s *Step) { s.Capture = map[string]string{"x y": "$"} }), "is no name"},
		{"capture regexp", step(func(s *Step) { s.Capture = map[string]string{"x": "body ("} }), "missing closing"},
		{"capture by a value", step(func(s *Step) { s.Capture = map[string]string{"x": "header Location {{id}}/(.*)"} }), "renders no {{...}}"},
		{"used too early", step(func(s *Step) { s.Capture, s.Body = map[string]string{"x": "$"}, "{{x}}" }), `unknown name "x"`},
		{"beside request", Config{Request: "http://h/", Steps: []Step{{Name: "a", Request: "http://h/"}}}, "request: stands beside steps"},
		{"empty", Config{Steps: []Step{}}, "steps: is empty"},
		{"two bodies", Config{Request: "POST http://h/", Body: "x", JSON: 1}, "json: stands beside body"},
		{"bad json text", Config{Request: "POST http://h/", JSON: map[string]any{"a": "{{what}}"}}, "json: template"},
		{"both auths", Config{Request: "http://h/", Auth: Auth{Basic: &Basic{User: "x"}, Bearer: "y"}}, "exclude each other"},
		{"auth twice", Config{Request: "http://h/", Auth: Auth{Bearer: "y"}, Headers: map[string]string{"authorization": "x"}}, "stands beside the header"},
		{"colon", Config{Request: "http://h/", Auth: Auth{Basic: &Basic{User: "a:b"}}}, "colon"},
		{"multipart type", Config{Request: "POST http://h/", Multipart: []Part{{Name: "a"}}, Headers: map[string]string{"Content-Type": "x"}}, "remove the header"},
		{"part", Config{Request: "POST http://h/", Multipart: []Part{{Name: "a", File: "f", Value: "v"}}}, "multipart[0]: has a value and a file"},
		{"no parts", Config{Request: "POST http://h/", Multipart: []Part{}}, "has no parts"},
		{"data without a file", Config{Request: "http://h/{{data.x}}"}, `unknown name "data.x"`},
		{"redirects", Config{Request: "http://h/", Redirects: 21}, "must be 0 to 20"},
		{"source", Config{Request: "http://h/", Connection: Connection{Source: []string{"eth0"}}}, "connection.source[0]"},
		{"unix and source", Config{Request: "http://h/", Connection: Connection{Unix: "/s", Source: []string{"127.0.0.1"}}}, "stands beside unix"},
		{"age of one request", Config{Request: "http://h/", Keepalive: new(bool), Connection: Connection{MaxRequests: 2}}, "go with keepalive"},
		{"targets and steps", Config{Targets: &Targets{File: "f"}, Steps: []Step{{Name: "a", Request: "http://h/"}}}, "stands beside steps"},
		{"targets and a body", Config{Targets: &Targets{File: "f"}, Body: "x"}, "body: stands beside targets"},
		{"targets without a file", Config{Targets: &Targets{}}, "targets.file: is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := problems(&test.c)
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
