package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wringer/reports"
)

// web is a server that keeps the first request.
func web(t *testing.T, on net.Listener) (url string, first func() (*http.Request, string)) {
	t.Helper()
	var once sync.Once
	var request *http.Request
	var body []byte
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		once.Do(func() { request, body = r.Clone(context.Background()), b })
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	if on != nil {
		s.Listener.Close()
		s.Listener = on
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, func() (*http.Request, string) { s.Close(); return request, string(body) }
}

func TestLoadFlagsOfHTTP(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"users.csv": "name\na&b\n", "up.txt": "content", "targets.txt": "POST URL/first\n\nGET URL/second\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("WRINGER_TEST_PASSWORD", "secret")
	for name, test := range map[string]struct {
		args  []string
		check func(r *http.Request, body string) bool
	}{
		"user": {[]string{"URL/", "-u", "me:${env.WRINGER_TEST_PASSWORD}"}, func(r *http.Request, _ string) bool {
			user, password, _ := r.BasicAuth()
			return user == "me" && password == "secret"
		}},
		"http2": {[]string{"URL/", "--http2", "--query", "q=a b&c"}, func(r *http.Request, _ string) bool {
			return r.ProtoMajor == 2 && r.URL.Query().Get("q") == "a b&c"
		}},
		"form": {[]string{"URL/", "-F", "a=b", "-F", "f=@DIR/up.txt"}, func(r *http.Request, body string) bool {
			return r.Method == "POST" && strings.Contains(body, `filename="up.txt"`) && strings.Contains(body, "content") && strings.Contains(body, "\r\n\r\nb\r\n")
		}},
		"feed": {[]string{"URL/{{data.name}}", "--feed", "DIR/users.csv", "--disable-keepalive"}, func(r *http.Request, _ string) bool {
			return r.URL.Path == "/a&b" && r.Close
		}},
		"targets": {[]string{"--targets", "DIR/targets.txt", "-H", "X-ID: {{id}}"}, func(r *http.Request, _ string) bool {
			return strings.HasPrefix(r.Method+r.URL.Path, "POST/first") && r.Header.Get("X-ID") != ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			url, first := web(t, nil)
			file := filepath.Join(t.TempDir(), "targets.txt")
			content, _ := os.ReadFile(filepath.Join(dir, "targets.txt"))
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(content), "URL", url)), 0o600); err != nil {
				t.Fatal(err)
			}
			r := strings.NewReplacer("DIR/targets.txt", file, "URL", url, "DIR", dir)
			record := filepath.Join(t.TempDir(), "record")
			args := []string{"load", "-q", "--for", "300ms", "--rate", "20/s", "--max-in-flight", "1", "--out", record}
			for _, a := range test.args {
				args = append(args, r.Replace(a))
			}
			code, stdout, stderr := wringer(t, args...)
			if code == reports.ExitUsage || code == reports.ExitHarness {
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			// A busy machine's server may answer few requests in time.
			if total := loadRecord(t, record).Run.Streams[loadStream].Total; total.Acked == 0 || total.Acked+total.Dropped != total.Offered {
				t.Errorf("exit %d, %+v:\n%s%s", code, total.Counts, stdout, stderr)
			}
			if request, body := first(); request == nil || !test.check(request, body) {
				t.Errorf("%+v\n%q", request, body)
			}
			if raw, _ := os.ReadFile(filepath.Join(record, "scenario.yaml")); strings.Contains(string(raw), "secret") {
				t.Error("the record holds the secret")
			}
		})
	}
}

func TestLoadOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_, first := web(t, l)
	code, stdout, stderr := wringer(t, "load", "-q", "http://name/x", "--unix-socket", path, "--for", "300ms", "--rate", "20/s", "--out", filepath.Join(t.TempDir(), "record"))
	if code != reports.ExitPass && code != reports.ExitInconclusive {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	if r, _ := first(); r == nil || r.Host != "name" {
		t.Errorf("%+v", r)
	}
}

func TestLoadFlagsAtFault(t *testing.T) {
	for _, args := range [][]string{
		{"load", "http://x", "--targets", "f"}, {"load", "http://x", "-F", "x"}, {"load", "http://x", "--query", "x"},
		{"load", "grpc://x/a/b", "--http2"}, {"load", "kafka://x/a", "-u", "a:b"}, {"load", "http://x", "--cert", "c"},
		{"load", "http://x", "-F", "a=b", "-d", "c"}, {"load", "http://x", "--redirects", "99"}, {"load", "--targets", "absent", "-d", "x"},
		{"run", "a.yaml", "b.yaml", "--vegeta", "f"},
	} {
		if code, _, stderr := wringer(t, args...); code != reports.ExitUsage || stderr == "" {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}
