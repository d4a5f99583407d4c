package null

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"

	"wringer/drivers"
)

// HTTP starts a target that answers 200 with drivers.NullAnswer to every request of HTTP/1.1 and HTTP/2, and OK with an empty message to
// every gRPC call. With an authority it speaks TLS too; without one such a connection is closed.
func HTTP(a *Authority) (*Target, error) {
	t := &Target{}
	secure := t.secure(a)
	return t, t.listen(func(conn net.Conn) {
		if conn, ok := secured(conn, secure); ok {
			defer conn.Close()
			t.serveHTTP(conn)
		}
	})
}

func (t *Target) serveHTTP(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 16<<10)
	first, err := r.Peek(3)
	switch {
	case err != nil:
	case string(first) == "PRI":
		server := http.Server{Handler: http.HandlerFunc(t.answer), Protocols: plainHTTP2(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 4096}}
		server.Serve(&single{conn: &buffered{Conn: conn, r: r, closed: make(chan struct{})}})
	case first[0] >= 'A' && first[0] <= 'Z':
		serveHTTP1(conn, r)
	}
}

// plainHTTP2 is HTTP/2 without TLS, by prior knowledge.
func plainHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// buffered is a connection of which some was read already. closed is closed with it.
type buffered struct {
	net.Conn
	r      *bufio.Reader
	once   sync.Once
	closed chan struct{}
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Conn.Close()
}

// single is a listener of one connection. It ends with the connection.
type single struct {
	conn  *buffered
	given bool
}

func (s *single) Accept() (net.Conn, error) {
	if !s.given {
		s.given = true
		return s.conn, nil
	}
	<-s.conn.closed
	return nil, io.EOF
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }

const (
	continued = "HTTP/1.1 100 Continue\r\n\r\n"
	typeJSON  = "application/json"
)

// The answers to a request: whole, and its head alone.
var (
	headed   = "HTTP/1.1 200 OK\r\nContent-Type: " + typeJSON + "\r\nContent-Length: " + strconv.Itoa(len(drivers.NullAnswer)) + "\r\n\r\n"
	answered = headed + drivers.NullAnswer
)

// serveHTTP1 reads as little of each request as finds its end. A server of a library would take several times the CPU, which is missing
// to the generator.
func serveHTTP1(conn net.Conn, r *bufio.Reader) {
	w := bufio.NewWriterSize(conn, 16<<10)
	for {
		head, ok := readHead(r)
		if !ok {
			return
		}
		if head.expects {
			w.WriteString(continued)
			w.Flush()
		}
		if !head.skipBody(r) {
			return
		}
		text := answered
		if head.head {
			text = headed
		}
		w.WriteString(text)
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
	}
}

// head is what matters of a request's head.
type head struct {
	head, chunked, expects bool
	length                 int64
}

func readHead(r *bufio.Reader) (h head, ok bool) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return h, false
	}
	h.head = bytes.HasPrefix(line, []byte("HEAD "))
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return h, false
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, true
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return h, false
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Expect")):
			h.expects = true
		}
	}
}

func (h head) skipBody(r *bufio.Reader) bool {
	var err error
	switch {
	case h.chunked:
		_, err = io.Copy(io.Discard, httputil.NewChunkedReader(r))
		if err == nil {
			_, err = r.ReadSlice('\n') // no trailers are sent
		}
	case h.length > 0:
		_, err = r.Discard(int(h.length))
	}
	return err == nil
}

// answer answers a request of HTTP/2.
func (t *Target) answer(w http.ResponseWriter, req *http.Request) {
	switch {
	case strings.HasPrefix(req.URL.Path, "/grpc.reflection."):
		t.pass(w, req)
	case strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc"):
		io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Write(make([]byte, 5)) // the frame of an empty message
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	default:
		io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", typeJSON)
		io.WriteString(w, drivers.NullAnswer)
	}
}

// pass asks the real target.
func (t *Target) pass(w http.ResponseWriter, req *http.Request) {
	v, ok := t.upstream.Load(req.RemoteAddr)
	if !ok {
		http.Error(w, "the target is not known", http.StatusBadGateway)
		return
	}
	to := v.(upstream)
	transport := &http.Transport{Protocols: plainHTTP2(), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return to.dial(ctx, network, to.address)
	}}
	defer transport.CloseIdleConnections()
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", to.address
	}}
	proxy.ServeHTTP(w, req)
}
