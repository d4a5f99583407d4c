package rest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"wringer/drivers/drivertest"

	"wringer/drivers"
)

func TestRedirects(t *testing.T) {
	other := newRecordingServer(t, nil, answerOK)
	for _, test := range []struct {
		name    string
		method  string
		path    string
		follow  int
		outcome drivers.Outcome
		code    string
		came    string // method and path of each request
	}{
		{"off", "GET", "/302/end", 0, drivers.Rejected, "http_302", "GET /302/end"},
		{"one", "GET", "/302/end", 1, drivers.Acked, "", "GET /302/end, GET /end"},
		{"too many", "GET", "/302/302/end", 1, drivers.Rejected, "http_302", "GET /302/302/end, GET /302/end"},
		{"both", "GET", "/301/308/end", 5, drivers.Acked, "", "GET /301/308/end, GET /308/end, GET /end"},
		{"becomes GET", "POST", "/303/end", 1, drivers.Acked, "", "POST /303/end x, GET /end"},
		{"stays POST", "POST", "/307/end", 1, drivers.Acked, "", "POST /307/end x, POST /end x"},
		{"see other, not found", "POST", "/303/404", 1, drivers.Indeterminate, "http_404", "POST /303/404 x, GET /404"},
		{"see other without end", "POST", "/303/303/end", 1, drivers.Indeterminate, "http_303", "POST /303/303/end x, GET /303/end"},
		{"stays POST, refused", "POST", "/307/409", 1, drivers.Rejected, "http_409", "POST /307/409 x, POST /409 x"},
		{"HEAD", "HEAD", "/303/end", 1, drivers.Acked, "", "HEAD /303/end, HEAD /end"},
		{"to nowhere", "GET", "/nowhere", 3, drivers.Rejected, "http_302", "GET /nowhere"},
		{"without a place", "GET", "/bare", 3, drivers.Rejected, "http_302", "GET /bare"},
		{"blanks and braces", "GET", "/blank", 3, drivers.Acked, "", "GET /blank, GET /end"},
		{"another host", "GET", "/other", 3, drivers.Acked, "", "GET /other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				w := newRecordingServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
					var status int
					fmt.Sscanf(r.URL.Path, "/%d", &status)
					rest := strings.TrimPrefix(r.URL.Path, fmt.Sprintf("/%d", status))
					switch {
					case r.URL.Path == "/other":
						rw.Header().Set("Location", other.URL+"/there")
						status = 302
					case r.URL.Path == "/nowhere":
						rw.Header().Set("Location", "mailto:me")
						status = 302
					case r.URL.Path == "/blank":
						rw.Header().Set("Location", "/end?a={{ b }}&c d")
						status = 302
					case r.URL.Path == "/end" && r.URL.RawQuery != "":
						if r.URL.RawQuery != "a=%7B%7B%20b%20%7D%7D&c%20d" {
							t.Errorf("query %s", r.URL.RawQuery)
						}
						status = 200
					case r.URL.Path == "/bare":
						status = 302
					case status == 0:
						status = 200
					case rest != "":
						rw.Header().Set("Location", rest)
					}
					rw.WriteHeader(status)
				})
				c := Config{Request: test.method + " " + w.URL + test.path, Redirects: test.follow, HTTP2: http2, Auth: Auth{Bearer: "secret"},
					Headers: map[string]string{"Content-Type": "text/plain", "X-Mine": "1"}}
				if test.method == "POST" {
					c.Body = "x"
				}
				at := do(t, sessionIn(t, &c, nil), 0)
				expect(t, at, test.outcome, test.code)
				var came []string
				for i, r := range w.requests() {
					came = append(came, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+w.bodies()[i]))
					if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("X-Mine") != "1" {
						t.Errorf("headers %v", r.Header)
					}
					if bare := test.method == "POST" && r.Method == "GET"; bare == (r.Header.Get("Content-Type") != "") {
						t.Errorf("content type of %s: %v", r.Method, r.Header)
					}
				}
				if got := strings.Join(came, ", "); got != test.came {
					t.Errorf("came %s, want %s", got, test.came)
				}
				if at.Hidden != 0 || !at.Wire || at.Done < at.Sent {
					t.Errorf("%+v", at)
				}
			})
		})
	}
	for _, r := range other.requests() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Mine") != "1" {
			t.Errorf("the other host got %v", r.Header)
		}
	}
	if len(other.requests()) != 2 {
		t.Errorf("the other host was asked %d times", len(other.requests()))
	}
}

// An unreachable hop leaves the effect of the first request open, unless that request surely had none.
func TestRedirectToUnreachableTarget(t *testing.T) {
	for status, outcome := range map[int]drivers.Outcome{303: drivers.Indeterminate, 307: drivers.Rejected} {
		w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "http://127.0.0.1:1/")
			rw.WriteHeader(status)
		})
		at := do(t, sessionIn(t, &Config{Request: "POST " + w.URL, Redirects: 2}, nil), 0)
		if expect(t, at, outcome, drivers.CodeRefused); !at.Wire || at.Answered {
			t.Errorf("%+v", at)
		}
	}
}

// A hop for which this machine has nothing left is the run's own doing, although the request before it was sent.
func TestRedirectThatWasNotSent(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "http://127.0.0.1:1/")
			rw.WriteHeader(http.StatusSeeOther)
		})
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "127.0.0.1:1" {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		s := sessionOver(t, dial, &Config{Request: "POST " + w.URL, Redirects: 2, HTTP2: http2}, nil)
		if at := do(t, s, 0); !at.Wire || !strings.Contains(at.Unsent(), "ulimit -n") {
			t.Errorf("%q: %+v", at.Unsent(), at)
		}
	})
}

// A redirect beyond the run's bounds is not followed: the redirect stands, and nothing else ends.
func TestRedirectBeyondTheBounds(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/away" {
				rw.Header().Set("Location", "http://foreign.test/x")
				rw.WriteHeader(http.StatusFound)
			}
		})
		env := drivertest.NewEnv(t, time.Now())
		env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "foreign.test") {
				if !drivers.IsNamedByTarget(ctx) {
					t.Error("the dial does not say that the target named the host")
				}
				return nil, fmt.Errorf("%w: foreign.test", drivers.ErrOutside)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		d, err := (&Config{Request: "POST " + w.URL + "/{{choice away}}", Redirects: 3, HTTP2: http2}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s, _ := d.Session()
		defer s.Close()
		for seq := range uint64(2) {
			at := do(t, s, seq)
			expect(t, at, drivers.Rejected, "http_302")
			if at.Detail != "302 Found: not followed: foreign.test needs --allow" || !at.Answered || !at.Wire || at.Status != 302 {
				t.Errorf("%+v", at)
			}
		}
		gauges := map[string]float64{}
		d.(drivers.Gauger).Gauges(func(name string, v float64) { gauges[name] = v })
		if gauges["redirects"] != 0 {
			t.Errorf("%v", gauges)
		}
	})
}
