package httplink

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/faults/faulttest"
)

func number(n int) *int { return &n }

func TestConformance(t *testing.T) {
	for _, a := range []Act{
		{Status: 503, RetryAfter: 2 * time.Second},
		{Headers: 20 * time.Millisecond},
		{Body: 20 * time.Millisecond},
		{Truncate: number(10)},
		{Corrupt: true},
		{Cut: 1},
		{Discard: true},
	} {
		t.Run((&Config{Act: a}).words(), func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, http2Spoken bool) {
				faulttest.Run(t, func(t *testing.T) faulttest.Rig {
					s := serve(t)
					r := newRig(t, s.address())
					return faulttest.Rig{Config: &Config{Link: "l", Act: a}, Fault: r.open(t, a), Meet: func(ctx context.Context) error {
						c := client(t, http2Spoken)
						defer c.CloseIdleConnections()
						status, body, _, err := get(ctx, c, "http://"+r.address+"/")
						if err == nil && (status != 200 || body != page) {
							err = fmt.Errorf("status %d, %q", status, body)
						}
						return err
					}}
				})
			})
		})
	}
}

func TestStatus(t *testing.T) {
	both(t, func(t *testing.T, http2Spoken bool) {
		s := serve(t)
		r, c := newRig(t, s.address()), client(t, http2Spoken)
		f := r.inject(t, Act{Status: 429, RetryAfter: 2 * time.Second, Match: Match{Method: "POST", Path: "/orders/*", Headers: map[string]string{"X-Kind": "big"}}})
		post := func(path, kind string) (int, string) {
			req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+path, strings.NewReader(page))
			req.Header.Set("x-kind", kind)
			a, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			b, _ := io.ReadAll(a.Body)
			return a.StatusCode, a.Header.Get("Retry-After") + string(b)
		}
		for _, tt := range []struct {
			path, kind string
			status     int
			said       string
		}{
			{"/orders/7?x=1", "big", 429, "2"}, {"/orders/7", "small", 200, page}, {"/order", "big", 200, page}, {"/orders/", "big", 429, "2"},
		} {
			if status, said := post(tt.path, tt.kind); status != tt.status || said != tt.said {
				t.Errorf("%s %s: %d %q", tt.path, tt.kind, status, said)
			}
		}
		if n := s.n.Load(); n != 2 {
			t.Errorf("the target got %d requests, not 2", n)
		}
		if b := f.Bite(); !b.Bit || f.Matched() != 2 {
			t.Errorf("bite %+v of %d", b, f.Matched())
		}
		faulttest.Heal(t, f)
		if status, _ := post("/orders/7", "big"); status != 200 {
			t.Errorf("after healing: %d", status)
		}
	})
}

func TestTruncateCorruptAndCut(t *testing.T) {
	both(t, func(t *testing.T, http2Spoken bool) {
		s := serve(t)
		r, c := newRig(t, s.address()), client(t, http2Spoken)
		url := "http://" + r.address + "/"
		f := r.inject(t, Act{Truncate: number(10)})
		if status, body, _, err := get(t.Context(), c, url); status != 200 || body != page[:10] || err == nil {
			t.Errorf("truncated: %d %q, %v", status, body, err)
		}
		faulttest.Heal(t, f)
		f = r.inject(t, Act{Corrupt: true})
		if status, body, _, err := get(t.Context(), c, url); status != 200 || len(body) != len(page) || body == page || err != nil {
			t.Errorf("corrupted: %d %q, %v", status, body, err)
		}
		faulttest.Heal(t, f)
		f = r.inject(t, Act{Cut: 3})
		before := s.n.Load()
		for i := range 3 {
			a, err := c.Post(url, "text/plain", strings.NewReader("x")) // no client resends a POST
			if err == nil {
				_, _ = io.Copy(io.Discard, a.Body) // otherwise the connection would not be reused
				a.Body.Close()
			}
			if (err == nil) != (i < 2) {
				t.Errorf("request %d: %v", i+1, err)
			}
		}
		if n := s.n.Load() - before; n != 2 {
			t.Errorf("the target got %d requests, not 2", n)
		}
		faulttest.Heal(t, f)
	})
}

func TestDiscardTheFirst(t *testing.T) {
	both(t, func(t *testing.T, http2Spoken bool) {
		s := serve(t)
		r, c := newRig(t, s.address()), client(t, http2Spoken)
		f := r.inject(t, Act{Discard: true, First: 1})
		ctx, cancel := context.WithCancel(t.Context())
		lost := make(chan error, 1)
		go func() { _, _, _, err := get(ctx, c, "http://"+r.address+"/"); lost <- err }()
		for f.Matched() == 0 {
			select {
			case err := <-lost:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		cancel()
		if err := <-lost; !errors.Is(err, context.Canceled) {
			t.Errorf("an answer came: %v", err)
		}
		if s.n.Load() != 0 {
			t.Error("the target got it")
		}
		if status, body, _, err := get(t.Context(), client(t, http2Spoken), "http://"+r.address+"/"); status != 200 || body != page {
			t.Errorf("the second: %d %q, %v", status, body, err)
		}
		faulttest.Heal(t, f)
	})
}

// HTTP/1.1 requests that no fault selects pass byte for byte, whatever their framing.
func TestPassesUnchanged(t *testing.T) {
	for name, tt := range map[string][2]string{
		"plain":         {"GET /a HTTP/1.1\r\nhost:  odd\r\nX-y:z\r\n\r\n", "HTTP/1.1 200 Fine\r\ncontent-length: 3\r\nA:b\r\n\r\nabc"},
		"chunked":       {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n003;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
		"head":          {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
		"continue":      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n"},
		"until the end": {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall that comes"},
		"websocket":     {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\x00\x01", "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n\x02\x03"},
		"no HTTP":       {"\x00\x01\x02 something else", "\xff\xfe and back"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			heard := make(chan string, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					heard <- err.Error()
					return
				}
				defer c.Close()
				got := make([]byte, len(tt[0]))
				_, _ = io.ReadFull(c, got)
				_, _ = io.WriteString(c, tt[1])
				heard <- string(got)
			}()
			c, err := net.Dial("tcp", newRig(t, l.Addr().String()).address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			// In two pieces, so that the layer has to wait for the rest.
			_, _ = io.WriteString(c, tt[0][:3])
			_, _ = io.WriteString(c, tt[0][3:])
			got, err := io.ReadAll(c)
			if string(got) != tt[1] || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if got := <-heard; got != tt[0] {
				t.Errorf("the target heard %q", got)
			}
		})
	}
}

// An answer that replaces the target's waits for the answers to earlier requests.
func TestPipelinedAnswersKeepTheirOrder(t *testing.T) {
	s := serve(t)
	r := newRig(t, s.address())
	f := r.inject(t, Act{Status: 503, Match: Match{Path: "/b"}})
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	for _, path := range []string{"/a", "/b", "/c", "/b"} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	}
	in := bufio.NewReader(c)
	for i, want := range []int{200, 503, 200, 503} {
		a, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != want {
			t.Errorf("answer %d: %d, %v", i, a.StatusCode, err)
		}
	}
	faulttest.Heal(t, f)
}

func TestManyStreamsAtOnce(t *testing.T) {
	s := serve(t)
	r, c := newRig(t, s.address()), client(t, true)
	f := r.inject(t, Act{Headers: 30 * time.Millisecond, Share: 0.5})
	errs := make(chan error, 100)
	long := strings.Repeat("long ", 40_000) // beyond the window of a stream
	for range cap(errs) {
		go func() {
			a, err := c.Post("http://"+r.address+"/", "text/plain", strings.NewReader(long))
			if err == nil {
				var b []byte
				b, err = io.ReadAll(a.Body)
				a.Body.Close()
				if err == nil && !bytes.Equal(b, []byte(long)) {
					err = errors.New("another body came back")
				}
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := f.Matched(); n < 20 || n > 80 {
		t.Errorf("%d of 100 were slow", n)
	}
	faulttest.Heal(t, f)
}

func TestCutIsAReset(t *testing.T) {
	s := serve(t)
	r := newRig(t, s.address())
	f := r.inject(t, Act{Cut: 1})
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v", err)
	}
	faulttest.Heal(t, f)
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		act     Act
		problem string
		words   string
	}{
		{Act{Status: 503, RetryAfter: 2 * time.Second, Share: 0.3, Match: Match{Method: "POST", Path: "/orders"}}, "", "answer 503, Retry-After 2s, to POST /orders, of 30%"},
		{Act{GRPC: "UNAVAILABLE", First: 2}, "", "answer UNAVAILABLE, of the first 2"},
		{Act{}, "http", ""},
		{Act{Status: 503, Corrupt: true}, "http", "answer 503, corrupt body"},
		{Act{Status: 100}, "http.status", "answer 100"},
		{Act{GRPC: "OK"}, "http.grpc", "answer OK"},
		{Act{Status: 429, RetryAfter: time.Millisecond}, "http.retry_after", "answer 429, Retry-After 1ms"},
		{Act{Cut: 2, First: 1}, "http.cut", "cut at request 2, of the first 1"},
		{Act{Discard: true, Match: Match{Path: "orders"}}, "http.match.path", "discard, to orders"},
		{Act{Discard: true, Match: Match{Method: "post"}}, "http.match.method", "discard, to post"},
		{Act{Discard: true, Match: Match{Headers: map[string]string{"A": ""}}}, "http.match.headers", "discard, with 1 headers"},
	} {
		c := Config{Link: "l", Act: tt.act}
		var fields []string
		c.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problem {
			t.Errorf("%+v: problems %q, want %q", tt.act, got, tt.problem)
		}
		if got := c.words(); got != tt.words {
			t.Errorf("%+v: %q, want %q", tt.act, got, tt.words)
		}
	}
}

// The layer ends, whatever the two ends send.
func FuzzCarry(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"))
	f.Add([]byte(preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x01\x05\x00\x00\x00\x01\x82"), []byte("\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"))
	f.Fuzz(func(t *testing.T, asked, said []byte) {
		l := &layer{link: "l"}
		fault := &Fault{act: Act{Truncate: number(3)}, layer: l}
		_ = fault.Inject(t.Context())
		client, near := net.Pipe()
		far, target := net.Pipe()
		go func() { _, _ = client.Write(asked); _ = client.SetReadDeadline(time.Now()); client.Close() }()
		go func() { _, _ = target.Write(said); target.Close() }()
		go func() { _, _ = io.Copy(io.Discard, target) }()
		l.Carry(near, far, "")
	})
}
