package httplink

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wringer/faults/faulttest"
)

// answerOnce is a target that reads the headers of one request on each connection, answers with text and closes.
func answerOnce(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, text)
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// exchange sends a request, and returns all that comes back.
func exchange(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(c) // a truncated answer may end with a reset
	return string(got)
}

// A fault counts an answer that it changed, and no other: an answer without a body has none to change, delay or shorten.
func TestCountsOnlyWhatItChanges(t *testing.T) {
	const (
		get     = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
		delay   = 20 * time.Millisecond
	)
	corrupt, cut, none := Act{Corrupt: true}, Act{Truncate: number(3)}, Act{Truncate: number(0)}
	body, headers := Act{Body: delay}, Act{Headers: delay}
	for name, tt := range map[string]struct {
		request, answer string
		changed         []Act
		unchanged       []Act
	}{
		"204":           {get, "HTTP/1.1 204 No Content\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none, body}},
		"304":           {get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none, body}},
		"HEAD":          {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none, body}},
		"length 0":      {get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none, body}},
		"no chunk":      {get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none}},
		"empty to end":  {get, "HTTP/1.0 200 OK\r\n\r\n", []Act{headers}, []Act{corrupt, cut, none, body}},
		"WebSocket":     {upgrade, "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\na first frame", []Act{headers}, []Act{corrupt, cut, none, body}},
		"short":         {get, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", []Act{headers, corrupt, none, body}, []Act{cut}},
		"short to end":  {get, "HTTP/1.0 200 OK\r\n\r\nabc", []Act{headers, corrupt, none, body}, []Act{cut}},
		"short chunks":  {get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", []Act{headers, corrupt, none, body}, []Act{cut}},
		"long":          {get, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", []Act{headers, corrupt, cut, none, body}, nil},
		"long to end":   {get, "HTTP/1.0 200 OK\r\n\r\nabcd", []Act{headers, corrupt, cut, none, body}, nil},
		"long chunk":    {get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", []Act{headers, corrupt, cut, none, body}, nil},
		"second chunk":  {get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", []Act{cut}, nil},
		"no answer":     {get, "", nil, []Act{headers, corrupt, cut, body}},
		"interim alone": {get, "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", nil, []Act{headers, corrupt, cut, none, body}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, answerOnce(t, tt.answer))
			try := func(a Act, changed bool) {
				f := r.inject(t, a)
				begun := time.Now()
				got := exchange(t, r.address, tt.request)
				took := time.Since(begun)
				faulttest.Heal(t, f)
				want := int64(0)
				if changed {
					want = 1
				}
				if f.Matched() != want || f.Bite().Bit != changed || f.Bite().Connections != want {
					t.Errorf("%s: counts %d, %+v", f.name, f.Matched(), f.Bite())
				}
				waits := a.Headers + a.Body
				if changed && took < waits || (waits > 0 || !changed) && got != tt.answer || changed && waits == 0 && got == tt.answer {
					t.Errorf("%s: got %q after %v", f.name, got, took)
				}
			}
			for _, a := range tt.changed {
				try(a, true)
			}
			for _, a := range tt.unchanged {
				try(a, false)
			}
		})
	}
}

// The same over HTTP/2, with gRPC's answers without a message and with an empty one.
func TestCountsOnlyWhatItChangesOverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		case "/trailers-only":
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "5")
		case "/empty-message":
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write(make([]byte, grpcPrefix))
		case "/length-0":
			w.Header().Set("Content-Length", "0")
		default:
			_, _ = io.WriteString(w, page)
		}
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	r, c := newRig(t, s.Listener.Addr().String()), client(t, true)
	try := func(method, path string, a Act, changed bool) {
		t.Helper()
		f := r.inject(t, a)
		request, _ := http.NewRequest(method, "http://"+r.address+path, strings.NewReader(""))
		request.Header.Set("Content-Type", "application/grpc")
		if path == "/" {
			request.Header.Del("Content-Type")
		}
		answer, err := c.Do(request)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		faulttest.Heal(t, f)
		if f.Bite().Bit != changed {
			t.Errorf("%s %s, %s: counts %d", method, path, f.name, f.Matched())
		}
	}
	for _, path := range []string{"/204", "/304", "/trailers-only", "/length-0"} {
		for _, a := range []Act{{Corrupt: true}, {Truncate: number(0)}, {Body: time.Hour}} {
			try(http.MethodPost, path, a, false)
		}
		try(http.MethodPost, path, Act{Headers: time.Millisecond}, true)
	}
	for _, a := range []Act{{Corrupt: true}, {Truncate: number(0)}, {Body: time.Hour}} {
		try(http.MethodHead, "/", a, false)
	}
	try(http.MethodPost, "/empty-message", Act{Corrupt: true}, false)
	try(http.MethodPost, "/empty-message", Act{Truncate: number(grpcPrefix)}, false)
	try(http.MethodGet, "/", Act{Truncate: number(len(page))}, false)
	for _, a := range []Act{{Corrupt: true}, {Truncate: number(len(page) - 1)}, {Body: time.Millisecond}, {Headers: time.Millisecond}} {
		try(http.MethodGet, "/", a, true)
	}
}

// A fault that is healed before the answer comes neither changes nor counts the answer.
func TestHealedBeforeTheAnswer(t *testing.T) {
	both(t, func(t *testing.T, http2Spoken bool) {
		asked, answer := make(chan struct{}), make(chan struct{})
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-answer
			_, _ = io.WriteString(w, page)
		}))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		t.Cleanup(s.Close)
		r, c := newRig(t, s.Listener.Addr().String()), client(t, http2Spoken)
		for _, a := range []Act{{Corrupt: true}, {Truncate: number(3)}, {Headers: time.Hour}, {Body: time.Hour}} {
			f := r.inject(t, a)
			got := make(chan string, 1)
			go func() {
				_, body, _, err := get(t.Context(), c, "http://"+r.address+"/")
				if err != nil {
					body = err.Error()
				}
				got <- body
			}()
			<-asked
			if b := f.Bite(); b.Bit {
				t.Errorf("%s counts a request before its answer: %+v", f.name, b)
			}
			faulttest.Heal(t, f)
			answer <- struct{}{}
			if body := <-got; body != page {
				t.Errorf("%s: %q", f.name, body)
			}
			if b := f.Bite(); b.Bit {
				t.Errorf("%s counts an answer after healing: %+v", f.name, b)
			}
		}
	})
}
