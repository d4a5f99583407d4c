package rest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"wringer/drivers"
	"wringer/drivers/checks"
)

// encoders are the content codings.
var encoders = map[string]func(w io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
}

func encoded(coding, text string) []byte {
	var out bytes.Buffer
	w := encoders[coding](&out)
	io.WriteString(w, text)
	w.Close()
	return out.Bytes()
}

// answering serves one answer over and over.
func answering(t *testing.T, status int, coding string, body []byte) *recordingServer {
	return newRecordingServer(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.Header().Set("X-N", "7")
		w.WriteHeader(status)
		w.Write(body)
	})
}

// An encoded answer is judged by what it says, and counted as it came.
func TestEncodedAnswers(t *testing.T) {
	const text = "\ufeff{\"state\":\"done\"}"
	bare := new(bytes.Buffer)
	f, _ := flate.NewWriter(bare, 9)
	io.WriteString(f, text)
	f.Close()
	bodies := map[string][]byte{"": []byte(text), "identity": []byte(text), "deflate, bare": bare.Bytes(), "gzip, br": encoded("br", string(encoded("gzip", text)))}
	for coding := range encoders {
		bodies[coding] = encoded(coding, text)
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := answering(t, 200, strings.TrimSuffix(name, ", bare"), body)
				c := &Config{HTTP2: http2, Steps: []Step{
					{Name: "a", Request: w.URL, Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.state": "done"}}, Body: `^\{"state"`}}, Capture: map[string]string{"s": "$.state"}},
					{Name: "b", Request: w.URL + "/{{s}}"},
				}}
				for seq := range uint64(2) {
					at := do(t, sessionIn(t, c, nil), seq)
					expect(t, at, drivers.Acked, "")
					if at.In != int64(2*len(body)) {
						t.Errorf("%d bytes came, want %d", at.In, 2*len(body))
					}
				}
				if last := w.requests()[1].URL.Path; last != "/done" {
					t.Errorf("asked for %s", last)
				}
			})
		})
	}
}

// What cannot be decoded is not judged. Where no check needs the body, its coding does not matter.
func TestAnswersThatDoNotDecode(t *testing.T) {
	whole := encoded("gzip", strings.Repeat("done ", 100))
	bomb := strings.Repeat("0", 4<<20)
	for name, test := range map[string]struct {
		coding string
		body   []byte
		code   string
	}{
		"cut":            {"gzip", whole[:len(whole)-9], drivers.CodeMalformed},
		"no gzip":        {"gzip", []byte("done"), drivers.CodeMalformed},
		"no zstd":        {"zstd", []byte("done"), drivers.CodeMalformed},
		"no br":          {"br", []byte("done"), drivers.CodeMalformed},
		"no deflate":     {"deflate", []byte("done"), drivers.CodeMalformed},
		"unknown":        {"compress", []byte("done"), drivers.CodeMalformed},
		"many":           {strings.Repeat("gzip,", 50) + "gzip", whole, drivers.CodeMalformed},
		"bomb in gzip":   {"gzip", encoded("gzip", bomb), drivers.CodeTooLarge},
		"bomb in br":     {"br", encoded("br", bomb), drivers.CodeTooLarge},
		"bomb in zstd":   {"zstd", encoded("zstd", bomb), drivers.CodeTooLarge},
		"bomb in a bomb": {"gzip, gzip", encoded("gzip", string(encoded("gzip", bomb))), drivers.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			w := answering(t, 200, test.coding, test.body)
			at := do(t, session1(t, &Config{Request: w.URL, Checks: []Check{{Body: "done|0"}}}), 1)
			expect(t, at, drivers.Indeterminate, test.code)
			if at.Answered || !at.Partial || at.In != int64(len(test.body)) {
				t.Errorf("%+v", at)
			}
			expect(t, do(t, session1(t, &Config{Request: w.URL}), 1), drivers.Acked, "")
		})
	}
}

// A body that nobody needs is counted, however long; one that is needed has a bound, and is not judged by a part.
func TestLongBodies(t *testing.T) {
	const size = 3<<20 + 7
	for name, test := range map[string]struct {
		change func(c *Config)
		code   string
	}{
		"nobody needs it":              {func(*Config) {}, ""},
		"only its size":                {func(c *Config) { c.Checks = []Check{{Size: "> 2MiB"}} }, ""},
		"only a header":                {func(c *Config) { c.Checks = []Check{{Header: map[string]string{"X-N": "7"}}} }, ""},
		"a check":                      {func(c *Config) { c.Checks = []Check{{Body: "x"}} }, drivers.CodeTooLarge},
		"a check with room":            {func(c *Config) { c.MaxBody, c.Checks = 4<<20, []Check{{Body: "x"}} }, ""},
		"a bound, and nobody needs it": {func(c *Config) { c.MaxBody = 2 << 20 }, ""},
		"a bound, and a check":         {func(c *Config) { c.MaxBody, c.Checks = 2<<20, []Check{{Body: "x"}} }, drivers.CodeTooLarge},
		"a capture": {func(c *Config) {
			c.Steps = []Step{{Name: "a", Request: c.Request, Capture: map[string]string{"x": "body x"}}}
			c.Request = ""
		}, drivers.CodeTooLarge},
	} {
		for _, framing := range []string{"length", "chunks"} {
			t.Run(name+", "+framing, func(t *testing.T) {
				onBothVersions(t, func(t *testing.T, http2 bool) {
					w := newRecordingServer(t, nil, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("X-N", "7")
						if framing == "length" {
							w.Header().Set("Content-Length", fmt.Sprint(size))
						}
						io.Copy(w, strings.NewReader(strings.Repeat("x", size)))
					})
					c := &Config{Request: w.URL, HTTP2: http2}
					test.change(c)
					at := do(t, sessionIn(t, c, nil), 1)
					if test.code == "" {
						expect(t, at, drivers.Acked, "")
						if at.In != size {
							t.Errorf("%d bytes", at.In)
						}
						return
					}
					expect(t, at, drivers.Indeterminate, test.code)
				})
			})
		}
	}
}

// A failure names the value, the one that was expected, the operation and the step, and shows the start of the body.
func TestWhatFailuresSay(t *testing.T) {
	long := strings.Repeat("y", 500)
	for name, test := range map[string]struct {
		status int
		body   string
		step   Step
		want   string
	}{
		"json":     {200, `{"count":3}`, Step{Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.count": 4}}}}}, `step read: json $.count is 3, not 4 (operation r1.conformance.9)`},
		"text":     {200, `{"a":"b"}`, Step{Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.a": "{{id}}"}}}}}, `step read: json $.a is "b", not "r1.conformance.9" (operation r1.conformance.9)`},
		"absent":   {200, `{"a":1}`, Step{Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.b": 1}}}}}, `step read: json $.b is absent: {"a":1} (operation r1.conformance.9)`},
		"no JSON":  {200, "<html>\r\n\x1b[31m", Step{Checks: []Check{{Document: checks.Document{JSON: map[string]any{"$.b": 1}}}}}, `step read: the body is no JSON document: <html> [31m (operation r1.conformance.9)`},
		"body":     {200, "nothing", Step{Checks: []Check{{Body: "done"}}}, `step read: the body does not match done: nothing (operation r1.conformance.9)`},
		"header":   {200, "", Step{Checks: []Check{{Header: map[string]string{"x-n": "^8$"}}}}, `step read: header x-n is "7", which does not match ^8$ (operation r1.conformance.9)`},
		"capture":  {200, `{"a":1}`, Step{Capture: map[string]string{"b": "$.b"}}, `step read: capture b: $.b is absent: {"a":1} (operation r1.conformance.9)`},
		"rejected": {400, `{"error":"key is not provided"}`, Step{}, `step read: 400 Bad Request: {"error":"key is not provided"}`},
		"no body":  {503, "", Step{}, `step read: 503 Service Unavailable`},
		"long":     {500, long, Step{}, `step read: 500 Internal Server Error: ` + long[:shownBody] + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := answering(t, test.status, "", []byte(test.body))
				step := test.step
				step.Name, step.Request = "read", w.URL
				at := do(t, sessionIn(t, &Config{Steps: []Step{step}, HTTP2: http2}, nil), 9)
				if at.Detail != test.want {
					t.Errorf("%s\nwant %s", at.Detail, test.want)
				}
			})
		})
	}
}

// An answer that breaks off behind its status came from a live target. Nothing, and what has no status, shows no such thing.
func TestPartialAnswers(t *testing.T) {
	const begun = "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
	for text, want := range map[string]bool{
		begun: true, begun + "half": true, begun + strings.Repeat("x", 9000): true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz": true,
		"": false, "HTTP/1.1 200 OK\r\nContent-Le": false, "hello\r\n\r\n": false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": false,
	} {
		address := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
			if _, _, err := readRequest(in); err == nil {
				io.WriteString(c, text)
			}
		})
		config := &Config{Request: "GET http://" + address, MaxBody: 1 << 10, Checks: []Check{{Body: "."}}}
		if at := do(t, session1(t, config), 1); at.Partial != want || at.Partial && at.Answered {
			t.Errorf("%.60q: partial %t, want %t: %+v", text, at.Partial, want, at)
		}
	}
}

// The start of a refusal's body is told, encoded or not. What is no text is not.
func TestEncodedRefusals(t *testing.T) {
	long := `{"error":"the élan is gone` + strings.Repeat("é", 5000) + `"}`
	for name, test := range map[string]struct {
		coding string
		body   []byte
		want   string
	}{
		"plain": {"", []byte(long), "the élan"}, "gzip": {"gzip", encoded("gzip", long), "the élan"}, "short": {"gzip", encoded("gzip", "no"), ": no"},
		"zstd": {"zstd", encoded("zstd", long), "the élan"}, "br": {"br", encoded("br", long), "the élan"},
		"twice":   {"deflate, gzip", encoded("gzip", string(encoded("deflate", "no"))), ": no"},
		"unknown": {"compress", []byte("\x1f\x9d\x90"), "400 Bad Request"}, "broken": {"gzip", []byte("\x1f\x8b\xff\xfe"), "400 Bad Request"},
	} {
		w := answering(t, 400, test.coding, test.body)
		for _, checks := range [][]Check{nil, {{Body: "x"}}} {
			at := do(t, session1(t, &Config{Request: w.URL, Checks: checks}), 1)
			if expect(t, at, drivers.Rejected, "http_400"); !strings.Contains(at.Detail, test.want) || !utf8.ValidString(at.Detail) {
				t.Errorf("%s, %d checks: %q", name, len(checks), at.Detail)
			}
		}
	}
}

// What a check needs of an answer is held for each operation in flight; nothing is without one.
func TestKeptOfAnswers(t *testing.T) {
	checks := []Check{{Body: "x"}}
	for want, c := range map[int64]Config{0: {MaxBody: 2 << 20}, 1 << 20: {Checks: checks}, 2 << 20: {Checks: checks, MaxBody: 2 << 20}} {
		c.Request = "GET http://127.0.0.1/"
		if got := c.Describe().Kept; got != want {
			t.Errorf("%+v keeps %d, want %d", c, got, want)
		}
	}
}
