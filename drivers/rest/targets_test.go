package rest

import (
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestTargets(t *testing.T) {
	for name, file := range map[string]string{
		"targets.txt":  "# first\nGET URL/a?q={{x}}\nX-One: 1\n\nPOST URL/b\nContent-Type: text/plain\n@BODY\n",
		"targets.json": `{"method":"GET","url":"URL/a?q={{x}}","header":{"X-One":["1"]}}` + "\n" + `{"method":"POST","url":"URL/b","body":"e3tpZH19","header":{"Content-Type":["text/plain"]}}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, answerOK)
				body := t.TempDir() + "/body"
				file := strings.NewReplacer("URL", w.URL, "BODY", body).Replace(file)
				writeFile(t, body, "{{id}}")
				s := sessionIn(t, &Config{Targets: &Targets{File: name}, Headers: map[string]string{"X-ID": "{{id}}", "x-one": "2"}, HTTP2: http2}, map[string]string{name: file})
				for seq := range uint64(3) {
					expect(t, do(t, s, seq), drivers.Acked, "")
				}
				var came []string
				for i, r := range w.requests() {
					came = append(came, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("X-ID"), r.Header.Get("X-One"), w.bodies()[i]}, " "))
				}
				want := "GET /a?q={{x}} r1.conformance.0 1 |POST /b r1.conformance.1 2 {{id}}|GET /a?q={{x}} r1.conformance.2 1 "
				if got := strings.Join(came, "|"); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		})
	}
}

// A byte order mark is no part of the first method, and what stands in braces is escaped like the rest of a URL.
func TestTargetsAsEditorsWriteThem(t *testing.T) {
	for name, file := range map[string]string{
		"targets.txt":  "\ufeffGET URL/{{é}}\n",
		"targets.json": "\ufeff" + `{"method":"GET","url":"URL/{{é}}"}` + "\n",
	} {
		w := newRecordingServer(t, nil, answerOK)
		s := sessionIn(t, &Config{Targets: &Targets{File: name}}, map[string]string{name: strings.ReplaceAll(file, "URL", w.URL)})
		expect(t, do(t, s, 0), drivers.Acked, "")
		if got := w.requests()[0].RequestURI; got != "/{{%C3%A9}}" {
			t.Errorf("%s: sent %q", name, got)
		}
	}
}

func TestTargetsAtFault(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"empty":     {"", "no targets"},
		"garbage":   {"what is this", "target 1"},
		"second":    {"GET http://h/\n\nGET nothing\n", "target 2"},
		"host":      {"GET http:///x\n", "target 1"},
		"framing":   {"GET http://h/\nTransfer-Encoding: chunked\n", "set by the driver"},
		"upgrade":   {"GET http://h/\nConnection: upgrade\n", "write close or keep-alive"},
		"version":   {"GET http://h/ HTTP/1.1\n", "leave the version away"},
		"host only": {"GET http://h HTTP/1.1\n", "target 1"},
		"in braces": {"GET http://h/{{a b}}\n", "{{a b}} in the URL: targets are sent as they stand, without templates"},
		"raw":       {"GET http://h/{{id}}/{{raw data.x}}\n", "{{raw data.x}} in the URL: targets are sent as they stand"},
		"blank":     {"GET http://h/{{id}}/a b\n", "write %20"},
		"tab":       {"GET http://h/{{a\tb}}\n", "target 1"},
		"body file": {"POST http://h/\n@absent\n", "absent"},
	} {
		t.Run(name, func(t *testing.T) {
			env := drivertest.NewEnv(t, time.Now())
			writeFile(t, env.Files+"/t", test.file)
			if _, err := (&Config{Targets: &Targets{File: "t"}}).Open(t.Context(), env); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What vegeta's users write: lines of the connection, and credentials in the URL.
func TestTargetsOfVegeta(t *testing.T) {
	w := newRecordingServer(t, nil, answerOK)
	file := strings.ReplaceAll("\ufeffPOST http://ann:s%40crt@HOST/a\nConnection: close\nExpect: 100-continue\n@BODY\n\n"+
		"GET http://HOST/b\nConnection: keep-alive\n\nGET http://ann:x@HOST/c\nAuthorization: Bearer own\n", "HOST", strings.TrimPrefix(w.URL, "http://"))
	body := t.TempDir() + "/body"
	writeFile(t, body, "text")
	s := sessionIn(t, &Config{Targets: &Targets{File: "t"}}, map[string]string{"t": strings.ReplaceAll(file, "BODY", body)})
	for seq := range uint64(3) {
		expect(t, do(t, s, seq), drivers.Acked, "")
	}
	var came []string
	for i, r := range w.requests() {
		user, password, _ := r.BasicAuth()
		came = append(came, strings.Join([]string{r.RequestURI, user, password, r.Header.Get("Authorization")[:min(6, len(r.Header.Get("Authorization")))], r.Header.Get("Expect"), w.bodies()[i]}, " "))
		if closes := r.Close; closes != (i == 0) {
			t.Errorf("request %d: close is %v", i, closes)
		}
	}
	if got, want := strings.Join(came, "|"), "/a ann s@crt Basic  100-continue text|/b     |/c   Bearer  "; strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
