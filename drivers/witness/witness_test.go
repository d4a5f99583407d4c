package witness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = drivers.Identity{Run: "r1", Stream: "s"}

// tally is a Sink that counts by operation, and counts replays apart.
type tally struct {
	mu                       sync.Mutex
	arrived, whole, answered map[string]int
	blind                    []string
}

func newTally() *tally {
	return &tally{arrived: map[string]int{}, whole: map[string]int{}, answered: map[string]int{}}
}

func name(m drivers.Mark) string {
	if m.Replay {
		return fmt.Sprintf("%d;replay", m.Seq)
	}
	return fmt.Sprint(m.Seq)
}

func (y *tally) add(to map[string]int, m drivers.Mark) {
	y.mu.Lock()
	defer y.mu.Unlock()
	to[name(m)]++
}

func (y *tally) Arrived(m drivers.Mark, _ uint64, _ time.Duration) { y.add(y.arrived, m) }
func (y *tally) Whole(m drivers.Mark)                              { y.add(y.whole, m) }
func (y *tally) Answered(m drivers.Mark)                           { y.add(y.answered, m) }

func (y *tally) Blind(why string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.blind = append(y.blind, why)
}

func (y *tally) String() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return fmt.Sprintf("arrived %v, whole %v, answered %v, blind %q", y.arrived, y.whole, y.answered, y.blind)
}

func clock() time.Duration { return 0 }

// dialler is a dial function through a witness.
func dialler(sink Sink) drivers.DialFunc {
	return New(identity, clock, sink).Watch(new(net.Dialer).DialContext)
}

// counting is a target that counts its requests itself.
type counting struct {
	mu          sync.Mutex
	heads, done map[string]int
}

func (c *counting) note(to map[string]int, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to[strings.TrimPrefix(r.Header.Get(drivers.MarkHeader), "r1.s.")]++
}

// serve counts a request and answers as the path says.
func (c *counting) serve(w http.ResponseWriter, r *http.Request) {
	c.note(c.heads, r)
	if r.URL.Path == "/early" {
		w.WriteHeader(413)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		c.note(c.done, r)
	}
	switch r.URL.Path {
	case "/none":
		w.WriteHeader(204)
	case "/hints":
		w.WriteHeader(103)
		io.WriteString(w, "hinted")
	case "/chunks":
		w.Header().Set("Trailer", "X-Sum")
		for range 3 {
			io.WriteString(w, strings.Repeat("chunk ", 2000))
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", "1")
	case "/cut":
		panic(http.ErrAbortHandler)
	case "/reset":
		reset(w)
	default:
		io.WriteString(w, "ok")
	}
}

// reset ends the connection without an answer.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	drivertest.NewRawConn(c).Reset()
}

func startCounting(t testing.TB) (*counting, *httptest.Server) {
	c := &counting{heads: map[string]int{}, done: map[string]int{}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return c, s
}

func client(t testing.TB, sink Sink, h2 bool) *http.Client {
	transport := &http.Transport{DialContext: dialler(sink), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetUnencryptedHTTP2(h2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// The witness and a target that counts for itself agree exactly, for all kinds of answers and clients.
func TestAgreesWithTheTarget(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2 %t", h2), func(t *testing.T) {
			target, server := startCounting(t)
			sink := newTally()
			c := client(t, sink, h2)
			answered := map[string]int{}
			seq := 0
			for range 3 {
				for _, path := range []string{"/", "/none", "/hints", "/chunks", "/cut", "/reset"} {
					for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
						for _, size := range []int{0, 10, 200_000} {
							id := fmt.Sprint(seq)
							seq++
							if request(t, c, method, server.URL+path, id, size) {
								answered[id]++
							}
						}
					}
				}
			}
			c.CloseIdleConnections()
			server.Close()
			if len(sink.blind) > 0 {
				t.Errorf("blind: %q", sink.blind)
			}
			if !maps.Equal(sink.arrived, target.heads) {
				t.Errorf("arrived %v\nthe target counted %v", sink.arrived, target.heads)
			}
			if !maps.Equal(sink.whole, target.done) {
				t.Errorf("whole %v\nthe target read %v", sink.whole, target.done)
			}
			if !maps.Equal(sink.answered, answered) {
				t.Errorf("answered %v\nthe client took %v", sink.answered, answered)
			}
		})
	}
}

// request makes one request, and reports whether the answer was complete. Bodies of odd numbers are chunked.
func request(t *testing.T, c *http.Client, method, url, id string, size int) bool {
	var body io.Reader
	if method != "GET" && method != "HEAD" {
		body = bytes.NewReader(make([]byte, size))
		if id[len(id)-1]%2 == 1 {
			body = io.MultiReader(body) // hides the body's length
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(drivers.MarkHeader, "r1.s."+id)
	if r.GetBody != nil {
		r.GetBody = nil // then net/http cannot resend
	}
	answer, err := c.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil
}

// net/http silently resends a POST with an Idempotency-Key if a reused connection fails.
func TestHiddenResendsShow(t *testing.T) {
	var mu sync.Mutex
	executed, conns := map[string]int{}, map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		mu.Lock()
		executed[strings.TrimPrefix(r.Header.Get(drivers.MarkHeader), "r1.s.")]++
		conns[r.RemoteAddr]++
		second := conns[r.RemoteAddr] == 2
		mu.Unlock()
		if second {
			reset(w) // executed but not answered
		}
	}))
	defer server.Close()
	sink := newTally()
	c := client(t, sink, false)
	for seq := range 20 {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", server.URL, strings.NewReader("{}"))
		r.Header.Set(drivers.MarkHeader, identity.Text(uint64(seq)))
		r.Header.Set("Idempotency-Key", fmt.Sprint(seq))
		answer, err := c.Do(r)
		if err != nil {
			t.Fatalf("operation %d: %v", seq, err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	c.CloseIdleConnections()
	total := 0
	for _, n := range sink.arrived {
		total += n
	}
	if !maps.Equal(sink.arrived, executed) || total <= 20 || len(sink.arrived) != 20 {
		t.Errorf("20 operations without an error arrived %d times: %v\nexecuted %v", total, sink.arrived, executed)
	}
}

// Unreadable bytes make their connection blind, once, and are not counted.
func TestBlind(t *testing.T) {
	mark := "Wringer-Op: r1.s.1\r\n"
	for name, c := range map[string]struct{ asked, answered string }{
		"TLS":                          {asked: "\x16\x03\x01\x02\x00\x01\x00"},
		"garbage":                      {asked: "hello\r\n\r\n"},
		"a tunnel":                     {asked: "CONNECT a:1 HTTP/1.1\r\n" + mark + "\r\n"},
		"two marks":                    {asked: "GET / HTTP/1.1\r\n" + mark + mark + "\r\n"},
		"folded":                       {asked: "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n" + mark + "\r\n"},
		"two lengths":                  {asked: "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
		"smuggled":                     {asked: "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"chunk":                        {asked: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
		"a long head":                  {asked: "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", headBound)},
		"an upgrade":                   {asked: "GET / HTTP/1.1\r\n\r\n", answered: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		"another answer":               {asked: "GET / HTTP/1.1\r\n\r\n", answered: "\x00\x00\x01garbage, and more than a line\r\n"},
		"an HTTP/2 frame out of order": {asked: preface + "\x00\x00\x00\x09\x04\x00\x00\x00\x01"},
		"a broken header block":        {asked: preface + "\x00\x00\x01\x01\x04\x00\x00\x00\x01\xff"},
		"a short HEADERS frame":        {asked: preface + "\x00\x00\x01\x01\x2c\x00\x00\x00\x01\x00"},
		"too much padding":             {asked: preface + "\x00\x00\x02\x01\x0c\x00\x00\x00\x01\xff\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newTally()
			near, far := net.Pipe()
			conn := New(identity, clock, sink).watch(near)
			go io.Copy(io.Discard, far)
			conn.Write([]byte(c.asked))
			conn.received([]byte(c.answered), false)
			conn.Write([]byte("GET / HTTP/1.1\r\nWringer-Op: r1.s.9\r\n\r\n"))
			conn.received([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), true)
			near.Close()
			far.Close()
			if len(sink.blind) != 1 || sink.arrived["9"]+sink.answered["9"] > 0 {
				t.Errorf("%v", sink)
			}
		})
	}
}

// An answer may come before the write of its request has returned.
func TestAnEarlyAnswerWaitsForItsRequest(t *testing.T) {
	sink := newTally()
	inner := &scripted{}
	conn := New(identity, clock, sink).watch(inner)
	inner.write = func() { conn.received([]byte("HTTP/1.1 200 OK\r\n\r\nbody"), true) }
	conn.Write([]byte("GET / HTTP/1.1\r\nWringer-Op: r1.s.1\r\n\r\n"))
	if sink.arrived["1"] != 1 || sink.answered["1"] != 1 || len(sink.blind) > 0 {
		t.Error(sink)
	}
	// A much too large early answer is not kept.
	inner.write = func() { conn.received(make([]byte, earlyBound+1), false) }
	conn.Write([]byte("GET / HTTP/1.1\r\nWringer-Op: r1.s.2\r\n\r\n"))
	if len(sink.blind) != 1 || sink.arrived["2"] != 0 {
		t.Error(sink)
	}
}

// Only bytes that were written have arrived.
func TestAPartialWrite(t *testing.T) {
	request := "POST / HTTP/1.1\r\nWringer-Op: r1.s.1\r\nContent-Length: 4\r\n\r\nbody"
	for n := range len(request) + 1 {
		sink := newTally()
		conn := New(identity, clock, sink).watch(&scripted{takes: n})
		conn.Write([]byte(request))
		head, whole := 0, 0
		if n >= len(request)-4 {
			head = 1
		}
		if n == len(request) {
			whole = 1
		}
		if sink.arrived["1"] != head || sink.whole["1"] != whole || len(sink.blind) > 0 {
			t.Errorf("%d bytes: %v", n, sink)
		}
	}
}

// scripted is a connection that accepts n bytes of a write; all bytes if n is 0 and write is set.
type scripted struct {
	net.Conn
	takes int
	write func()
}

func (s *scripted) Write(b []byte) (int, error) {
	if s.write != nil {
		s.write()
		return len(b), nil
	}
	if s.takes < len(b) {
		return s.takes, io.ErrShortWrite
	}
	return len(b), nil
}

func (s *scripted) Close() error { return nil }

// A failed dial fails as without a witness.
func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, want := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	_, got := dialler(newTally())(context.Background(), "tcp", l.Addr().String())
	if got == nil || got.Error() != want.Error() {
		t.Errorf("refused with %v, want %v", got, want)
	}
}
