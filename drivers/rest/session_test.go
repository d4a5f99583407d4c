package rest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// serve runs handle for each connection, numbered from 1, until the test ends. It returns the address.
func serve(t *testing.T, handle func(n int, c net.Conn, in *bufio.Reader)) string {
	t.Helper()
	return drivertest.ServeRaw(t, func(c *drivertest.RawConn) { handle(c.Number, c, c.In) }).Address()
}

// readRequest reads one request with its body.
func readRequest(in *bufio.Reader) (*http.Request, string, error) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(r.Body)
	return r, string(body), err
}

// replies answers every request of every connection with the same text.
func replies(t *testing.T, text string) string {
	return serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		for {
			if _, _, err := readRequest(in); err != nil {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	})
}

func open(t *testing.T, c *Config) drivers.Driver {
	t.Helper()
	d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// newSession makes the sessions of the tests; another test replaces them by loops.
var newSession = drivers.Driver.Session

func session1(t *testing.T, c *Config) drivers.Session {
	t.Helper()
	s, err := newSession(open(t, c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// do makes one attempt, which must end long before its deadline.
func do(t *testing.T, s drivers.Session, seq uint64) drivers.Attempt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var at drivers.Attempt
	at.Reset(1, 0)
	s.Do(ctx, &drivers.Op{Seq: seq}, &at)
	return at
}

func expect(t *testing.T, at drivers.Attempt, outcome drivers.Outcome, code string) {
	t.Helper()
	if at.Outcome != outcome || at.Code != code {
		t.Errorf("%v, code %q (%q); want %v, %q", at.Outcome, at.Code, at.Detail, outcome, code)
	}
}

func TestIdleConnectionClosedByPeer(t *testing.T) {
	closed := make(chan struct{}, 10)
	var received atomic.Int64
	address := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		if _, _, err := readRequest(in); err == nil {
			received.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		c.Close()
		closed <- struct{}{}
	})
	s := session1(t, &Config{Request: "POST http://" + address, Body: "x"})
	for seq := range uint64(5) {
		expect(t, do(t, s, seq), drivers.Acked, "")
		<-closed
	}
	if received.Load() != 5 {
		t.Errorf("%d requests received for 5 attempts", received.Load())
	}
}

func TestUnrequestedAnswer(t *testing.T) {
	// The second answer must not be taken for the answer to the next request.
	address := serve(t, func(n int, c net.Conn, in *bufio.Reader) {
		for {
			if _, _, err := readRequest(in); err != nil {
				return
			}
			if n == 1 {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			} else {
				io.WriteString(c, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	s := session1(t, &Config{Request: "http://" + address})
	expect(t, do(t, s, 1), drivers.Acked, "")
	expect(t, do(t, s, 2), drivers.Rejected, "http_409")
}

func TestAnswerBeforeTheRequestIsWhole(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	address := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		<-over // and reads no further
	})
	s := session1(t, &Config{Request: "POST http://" + address, Body: strings.Repeat("x", 32<<20)})
	at := do(t, s, 1)
	expect(t, at, drivers.Rejected, "http_413")
	if !at.Answered {
		t.Error("not answered")
	}
}

func TestLargeBodyToSlowReader(t *testing.T) {
	const size = 16 << 20
	got := make(chan int, 1)
	address := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		tick := time.NewTicker(3 * maxUnwatched)
		defer tick.Stop()
		n := 0
		for block := make([]byte, 2<<20); n < size; {
			<-tick.C
			m, err := r.Body.Read(block)
			n += m
			if err != nil {
				break
			}
			if more, err := io.ReadFull(r.Body, block); err == nil || err == io.ErrUnexpectedEOF {
				n += more
			}
		}
		got <- n
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	s := session1(t, &Config{Request: "POST http://" + address, Body: strings.Repeat("x", size)})
	expect(t, do(t, s, 1), drivers.Acked, "")
	if n := <-got; n != size {
		t.Errorf("%d bytes came, want %d", n, size)
	}
}

func TestRequestOnTheWire(t *testing.T) {
	type seen struct {
		r    *http.Request
		body string
	}
	got := make(chan seen, 1)
	address := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		r, body, err := readRequest(in)
		if err != nil {
			return
		}
		got <- seen{r, body}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	s := session1(t, &Config{
		Request: "PUT http://" + address + "/o/{{id}}/\u00fc?k={{key}}#top",
		Headers: map[string]string{"X-Id": "{{uuid}}", "Host": "shop.example", "user-agent": "me"},
		Body:    `{"n":{{int 5 5}},"u":"{{uuid}}"}`,
	})
	expect(t, do(t, s, 17), drivers.Acked, "")
	g := <-got
	if g.r.Method != "PUT" || g.r.RequestURI != "/o/r1.conformance.17/%C3%BC?k=k0" || g.r.Host != "shop.example" {
		t.Errorf("%s %s to %s", g.r.Method, g.r.RequestURI, g.r.Host)
	}
	if g.r.Header.Get("User-Agent") != "me" || len(g.r.Header.Get("X-Id")) != 36 {
		t.Errorf("headers %v", g.r.Header)
	}
	if !strings.HasPrefix(g.body, `{"n":5,"u":"`) || strings.Contains(g.body, g.r.Header.Get("X-Id")) {
		t.Errorf("body %s, header %s", g.body, g.r.Header.Get("X-Id"))
	}
}

func TestMeaning(t *testing.T) {
	for _, test := range []struct {
		name, text string
		ok         []string
		outcome    drivers.Outcome
		code       string
		after      time.Duration
	}{
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", nil, drivers.Rejected, "http_302", 0},
		{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", nil, drivers.Rejected, "http_404", 0},
		{"ok conflict", "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", []string{"2xx", "409"}, drivers.Acked, "", 0},
		{"other success", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", []string{"200"}, drivers.Indeterminate, "http_202", 0},
		{"unavailable", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", nil, drivers.Indeterminate, "http_503", 7 * time.Second},
		{"unregistered", "HTTP/1.1 499 What\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", nil, drivers.Rejected, "http_499", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := session1(t, &Config{Request: "http://" + replies(t, test.text), OK: test.ok})
			at := do(t, s, 1)
			expect(t, at, test.outcome, test.code)
			if !at.Answered || !at.Wire || at.RetryAfter != test.after {
				t.Errorf("answered %v, wire %v, retry after %v", at.Answered, at.Wire, at.RetryAfter)
			}
		})
	}
}

func TestRetryAfterDate(t *testing.T) {
	now := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"Tue, 24 Nov 2026 18:00:30 GMT": 30 * time.Second,
		"Tue, 24 Nov 2026 17:00:00 GMT": 0,
		"-3":                            0,
		"99999999999":                   0,
		"4294967295":                    365 * 24 * time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%s: %v, want %v", value, got, want)
		}
	}
}

func TestHead(t *testing.T) {
	s := session1(t, &Config{Request: "HEAD http://" + replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")})
	expect(t, do(t, s, 1), drivers.Acked, "")
	expect(t, do(t, s, 2), drivers.Acked, "")
}

func TestNoConnection(t *testing.T) {
	unresolved := &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
	for name, test := range map[string]struct {
		dial drivers.DialFunc
		code string
	}{
		"name": {func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: unresolved}
		}, drivers.CodeDNS},
		"resolver": {func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "nowhere.invalid", IsTimeout: true}}
		}, drivers.CodeDNS},
		"silence": {func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, drivers.CodeTimeout},
	} {
		for _, http2 := range []bool{false, true} {
			env := drivertest.NewEnv(t, time.Now())
			env.Dial = test.dial
			d, err := (&Config{Request: "http://nowhere.invalid", HTTP2: http2}).Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := d.Session()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			var at drivers.Attempt
			s.Do(ctx, &drivers.Op{}, &at)
			cancel()
			expect(t, at, drivers.Rejected, test.code)
			if at.Wire {
				t.Errorf("%s: on the wire", name)
			}
			s.Close()
			d.Close()
		}
	}
}

func TestTLSFailure(t *testing.T) {
	address := replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	for _, http2 := range []bool{false, true} {
		s := session1(t, &Config{Request: "https://" + address, HTTP2: http2})
		at := do(t, s, 1)
		expect(t, at, drivers.Rejected, drivers.CodeTLS)
		if at.Wire {
			t.Error("on the wire")
		}
	}
}

func TestGauges(t *testing.T) {
	address := replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	d := open(t, &Config{Request: "http://" + address})
	read := func() (open, opened float64) {
		d.(drivers.Gauger).Gauges(func(name string, v float64) {
			switch name {
			case "connections":
				open = v
			case "connections_opened":
				opened = v
			}
		})
		return open, opened
	}
	for range 3 {
		s, _ := d.Session()
		expect(t, do(t, s, 1), drivers.Acked, "")
		expect(t, do(t, s, 2), drivers.Acked, "")
		if open, _ := read(); open != 1 {
			t.Errorf("%v connections", open)
		}
		s.Close()
	}
	if open, opened := read(); open != 0 || opened != 3 {
		t.Errorf("%v connections open, %v opened", open, opened)
	}
}
