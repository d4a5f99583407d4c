package rest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// onBothVersions runs a test over HTTP/1.1 and over HTTP/2: the outcome must not depend on the version.
func onBothVersions(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("http1", func(t *testing.T) { test(t, false) })
	t.Run("h2c", func(t *testing.T) { test(t, true) })
}

// recordingServer is a server that keeps the requests that it gets.
type recordingServer struct {
	*httptest.Server
	mu    sync.Mutex
	came  []*http.Request
	body  []string
	peers map[string]bool
}

// newRecordingServer serves HTTP/1.1 and h2c on a listener; nil: on a loopback port of its own.
func newRecordingServer(t *testing.T, on net.Listener, handle http.HandlerFunc) *recordingServer {
	t.Helper()
	w := &recordingServer{peers: make(map[string]bool)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.came, w.body = append(w.came, r.Clone(context.Background())), append(w.body, string(b))
		w.peers[r.RemoteAddr] = true
		w.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		handle(rw, r)
	}))
	if on != nil {
		w.Listener.Close()
		w.Listener = on
	}
	w.Config.Protocols = new(http.Protocols)
	w.Config.Protocols.SetHTTP1(true)
	w.Config.Protocols.SetUnencryptedHTTP2(true)
	w.Config.ErrorLog = discardLog
	w.Start()
	t.Cleanup(w.Close)
	return w
}

// requests, bodies and connections return what arrived so far.
func (w *recordingServer) requests() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.came)
}

func (w *recordingServer) bodies() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.body)
}

func (w *recordingServer) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.peers)
}

func answerOK(http.ResponseWriter, *http.Request) {}

// sessionIn opens a driver with files in the scenario's folder.
func sessionIn(t *testing.T, c *Config, files map[string]string) drivers.Session {
	t.Helper()
	return sessionOver(t, new(net.Dialer).DialContext, c, files)
}

// sessionOver is sessionIn over connections that dial makes.
func sessionOver(t *testing.T, dial drivers.DialFunc, c *Config, files map[string]string) drivers.Session {
	t.Helper()
	env := drivertest.NewEnv(t, time.Now())
	env.Dial = dial
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(env.Files, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := problems(c); len(got) > 0 {
		t.Errorf("check: %q", got)
	}
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSession(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); d.Close() })
	return s
}

func TestWhatIsSent(t *testing.T) {
	files := map[string]string{
		"users.csv": "name,token\n\"ann & b\"\"o\"\"\",t-1\n",
		"a b.bin":   "\x00{{id}}\r\n--",
	}
	data := &drivers.Data{File: "users.csv"}
	for name, test := range map[string]struct {
		config Config
		check  func(r *http.Request, body string) string // returns what is wrong
	}{
		"query": {Config{Request: "/p?a=1", Query: map[string]string{"q": "x&{{data.name}}", "b c": "{{seq}}"}, Data: data}, func(r *http.Request, _ string) string {
			q := r.URL.Query()
			return differs(r.URL.Path+"|"+q.Get("a")+"|"+q.Get("q")+"|"+q.Get("b c"), `/p|1|x&ann & b"o"|0`)
		}},
		"path": {Config{Request: "/{{data.name}}", Data: data}, func(r *http.Request, _ string) string {
			return differs(r.URL.Path, `/ann & b"o"`)
		}},
		"basic": {Config{Request: "/", Auth: Auth{Basic: &Basic{"me", "p:w"}}}, func(r *http.Request, _ string) string {
			user, password, _ := r.BasicAuth()
			return differs(user+"|"+password, "me|p:w")
		}},
		"basic from data": {Config{Request: "/", Auth: Auth{Basic: &Basic{"{{data.name}}", "{{data.token}}"}}, Data: data}, func(r *http.Request, _ string) string {
			user, password, _ := r.BasicAuth()
			return differs(user+"|"+password, `ann & b"o"|t-1`)
		}},
		"bearer": {Config{Request: "/", Auth: Auth{Bearer: "{{data.token}}"}, Data: data}, func(r *http.Request, _ string) string {
			return differs(r.Header.Get("Authorization"), "Bearer t-1")
		}},
		"json": {Config{Request: "POST /", JSON: map[string]any{"n": "{{int 7 7}}", "s": "{{data.name}}", "l": []any{int64(1), true, nil, "{{seq}}/x"}, `"`: "\n"}, Data: data},
			func(r *http.Request, body string) string {
				return differs(r.Header.Get("Content-Type")+body, `application/json{"\"":"\u000A","l":[1,true,null,"0/x"],"n":7,"s":"ann & b\"o\""}`)
			}},
		"json with a type of its own": {Config{Request: "POST /", Headers: map[string]string{"content-type": "application/problem+json"}, JSON: "x"}, func(r *http.Request, body string) string {
			return differs(strings.Join(r.Header.Values("Content-Type"), ",")+body, `application/problem+json"x"`)
		}},
		"form": {Config{Request: "POST /", Form: map[string]string{"who": "{{data.name}}", "a b": "1+1"}, Data: data}, func(r *http.Request, body string) string {
			r.ParseForm()
			return differs(r.PostForm.Get("who")+"|"+r.PostForm.Get("a b"), `ann & b"o"|1+1`)
		}},
		"multipart": {Config{Request: "POST /", Multipart: []Part{{Name: "who", Value: "{{data.name}}"}, {Name: "f", File: "a b.bin"}, {Name: "g", File: "a b.bin", Filename: `x".png`, Type: "image/png"}}, Data: data},
			func(r *http.Request, _ string) string {
				if err := r.ParseMultipartForm(1 << 20); err != nil {
					return err.Error()
				}
				f, g := r.MultipartForm.File["f"][0], r.MultipartForm.File["g"][0]
				in, err := f.Open()
				if err != nil {
					return err.Error()
				}
				content, _ := io.ReadAll(in)
				return differs(r.FormValue("who")+"|"+f.Filename+"|"+f.Header.Get("Content-Type")+"|"+string(content)+"|"+g.Filename+"|"+g.Header.Get("Content-Type"),
					`ann & b"o"|a b.bin|application/octet-stream|`+files["a b.bin"]+`|x%22.png|image/png`)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(strings.NewReader(string(b)))
					io.WriteString(rw, test.check(r, string(b)))
				})
				c := test.config
				method, path, found := strings.Cut(c.Request, " ")
				if !found {
					method, path = "GET", c.Request
				}
				c.Request, c.HTTP2 = method+" "+w.URL+path, http2
				c.Checks = []Check{{Body: `\A\z`}}
				at := do(t, sessionIn(t, &c, files), 0)
				if expect(t, at, drivers.Acked, ""); at.Status != 200 || at.Out != int64(len(w.bodies()[0])) {
					t.Errorf("status %d, %d bytes out of %d", at.Status, at.Out, len(w.bodies()[0]))
				}
				if t.Failed() {
					t.Logf("%s %s\n%v\n%q", w.requests()[0].Method, w.requests()[0].RequestURI, w.requests()[0].Header, w.bodies()[0])
				}
			})
		})
	}
}

func differs(got, want string) string {
	if got != want {
		return "got " + got + ", want " + want
	}
	return ""
}

func TestNoValueAddsAHeader(t *testing.T) {
	for name, header := range map[string]string{"escaped": "{{data.token}}", "raw": "{{raw data.token}}"} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, answerOK)
				c := Config{Request: w.URL, Headers: map[string]string{"X-Token": header}, Data: &drivers.Data{File: "u.csv"}, HTTP2: http2}
				at := do(t, sessionIn(t, &c, map[string]string{"u.csv": "token\n\"t\r\nEvil: 1\"\n"}), 0)
				expect(t, at, drivers.Rejected, drivers.CodeMessage)
				if want := "headers.X-Token: {{data.token}} holds a line end, and no header can"; at.Detail != want || at.Wire || len(w.requests()) != 0 {
					t.Errorf("%+v", at)
				}
			})
		})
	}
}

func TestConnectionsEndInTime(t *testing.T) {
	for name, connection := range map[string]Connection{"requests": {MaxRequests: 2}, "age": {MaxAge: time.Nanosecond}} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, answerOK)
				s := sessionIn(t, &Config{Request: w.URL, Connection: connection, HTTP2: http2}, nil)
				for seq := range uint64(6) {
					expect(t, do(t, s, seq), drivers.Acked, "")
				}
				want := map[string]int{"requests": 3, "age": 6}[name]
				if w.connections() != want {
					t.Errorf("%d connections for 6 requests, want %d", w.connections(), want)
				}
			})
		})
	}
}

// Each new connection resolves the name again: no old address is kept.
func TestNamesAreResolvedForEachConnection(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, answerOK)
		env := drivertest.NewEnv(t, time.Now())
		var asked []string
		env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = append(asked, address)
			return new(net.Dialer).DialContext(ctx, network, w.Listener.Addr().String())
		}
		d, err := (&Config{Request: "http://moving.test:81/", Connection: Connection{MaxRequests: 1}, HTTP2: http2}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s, _ := d.Session()
		defer s.Close()
		for seq := range uint64(3) {
			expect(t, do(t, s, seq), drivers.Acked, "")
		}
		if strings.Join(asked, " ") != "moving.test:81 moving.test:81 moving.test:81" {
			t.Errorf("%q", asked)
		}
	})
}

func TestUnixSocket(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		w := newRecordingServer(t, l, answerOK)
		expect(t, do(t, sessionIn(t, &Config{Request: "http://name/x", Connection: Connection{Unix: path}, HTTP2: http2}, nil), 0), drivers.Acked, "")
		if w.requests()[0].Host != "name" {
			t.Errorf("host %q", w.requests()[0].Host)
		}
		gone := Config{Request: "http://name/x", Connection: Connection{Unix: path + ".absent"}, HTTP2: http2}
		expect(t, do(t, sessionIn(t, &gone, nil), 0), drivers.Rejected, drivers.CodeRefused)
	})
}

func TestRetryAfter(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		for status, outcome := range map[int]drivers.Outcome{429: drivers.Rejected, 503: drivers.Indeterminate} {
			w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Retry-After", "7")
				rw.WriteHeader(status)
			})
			for name, c := range map[string]Config{"plain": {}, "redirects": {Redirects: 2}, "chain": {Steps: []Step{{Name: "a", Request: w.URL}}}} {
				if c.HTTP2 = http2; c.Steps == nil {
					c.Request = w.URL
				}
				at := do(t, sessionIn(t, &c, nil), 0)
				if at.Outcome != outcome || at.RetryAfter != 7*time.Second || at.Status != status {
					t.Errorf("%s: %+v", name, at)
				}
			}
		}
	})
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
