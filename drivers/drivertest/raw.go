package drivertest

import (
	"bufio"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// RawServer is a TCP server that knows no protocol, so that a test can break every rule of one. A script says what happens on a
// connection, byte by byte; when it returns, the server closes the connection.
//
//	server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
//		if c.Skip(8) && c.Say("half an answ") { // the protocol's header of 8 bytes has come
//			c.Reset()
//		}
//	})
//	open(t, &Config{Target: server.Address()})
//
// Its methods are for the test's goroutine, apart from Address and Accepted, which are for any.
type RawServer struct {
	t       testing.TB
	secure  *tls.Config
	scripts []func(*RawConn)
	address string
	done    chan struct{} // closed by Close
	all     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while the server does not listen
	conns    map[*RawConn]struct{}
	accepted int
}

// RawConn is the server's side of one connection. Its methods, except Close, are for the script's goroutine. A method that
// returns a bool returns false if the client has gone or the test has ended.
type RawConn struct {
	net.Conn // above TLS, if the server has TLS
	// In buffers the client's bytes. Read reads from it too.
	In *bufio.Reader
	// Number of the connection on this server, from 1.
	Number int
	// Done is closed when the test ends.
	Done <-chan struct{}
}

// ServeRaw listens on a loopback port until the test ends. Each connection follows the next script. Connections after the
// last script follow that one too.
func ServeRaw(t testing.TB, scripts ...func(*RawConn)) *RawServer {
	t.Helper()
	return ServeRawTLS(t, nil, scripts...)
}

// ServeRawTLS is ServeRaw below TLS. The script's first read or write makes the handshake.
func ServeRawTLS(t testing.TB, secure *tls.Config, scripts ...func(*RawConn)) *RawServer {
	t.Helper()
	s := &RawServer{t: t, secure: secure, scripts: scripts, address: "127.0.0.1:0", done: make(chan struct{}), conns: make(map[*RawConn]struct{})}
	s.Listen()
	t.Cleanup(s.Close)
	return s
}

// Address is host:port, even while the server does not listen.
func (s *RawServer) Address() string { return s.address }

// Accepted counts the connections so far.
func (s *RawServer) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Listen listens again, on the same port, after Refuse.
func (s *RawServer) Listen() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatalf("raw server: %v", err)
	}
	s.address = l.Addr().String()
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.all.Go(func() { s.accept(l) })
}

func (s *RawServer) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if s.secure != nil {
			conn = tls.Server(conn, s.secure)
		}
		c := NewRawConn(conn)
		c.Done = s.done
		s.mu.Lock()
		if s.listener != l { // Refuse or Close happened meanwhile
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.accepted++
		c.Number = s.accepted
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.all.Go(func() { s.serve(c) })
	}
}

func (s *RawServer) serve(c *RawConn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	s.scripts[min(c.Number, len(s.scripts))-1](c)
}

// stop stops listening, and returns the open connections.
func (s *RawServer) stop() []*RawConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	return slices.Collect(maps.Keys(s.conns))
}

// Refuse stops listening, ends every connection without an answer, and waits until the scripts have returned.
func (s *RawServer) Refuse() {
	for _, c := range s.stop() {
		c.Cut()
	}
	s.all.Wait()
}

// Wait stops listening, and waits until the scripts return by themselves. Their connections stay open meanwhile.
func (s *RawServer) Wait() {
	s.stop()
	s.all.Wait()
}

// Close is Refuse at the end of the test. It may be called more than once.
func (s *RawServer) Close() {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.Refuse()
}

// NewRawConn gives another server's connection the methods of a RawConn. It has no number, and its Done is never closed.
func NewRawConn(c net.Conn) *RawConn { return &RawConn{Conn: c, In: bufio.NewReader(c)} }

// Read reads what In holds first.
func (c *RawConn) Read(p []byte) (int, error) { return c.In.Read(p) }

// Skip reads n bytes.
func (c *RawConn) Skip(n int) bool {
	_, err := io.CopyN(io.Discard, c.In, int64(n))
	return err == nil
}

// Line reads up to the next newline. It returns the line without newline and carriage return.
func (c *RawConn) Line() (line string, ok bool) {
	text, err := c.In.ReadString('\n')
	return strings.TrimRight(text, "\r\n"), err == nil
}

// Some reads the bytes of the client's next write, up to 4 KiB.
func (c *RawConn) Some() bool {
	_, err := c.Read(make([]byte, 4<<10))
	return err == nil
}

// Hang reads and answers nothing, until the client closes or the test ends.
func (c *RawConn) Hang() { io.Copy(io.Discard, c.In) }

// Say writes a text.
func (c *RawConn) Say(text string) bool {
	_, err := io.WriteString(c.Conn, text)
	return err == nil
}

// Slowly writes a text byte by byte, with a pause after each.
func (c *RawConn) Slowly(text string, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for i := range len(text) {
		if !c.Say(text[i : i+1]) {
			return false
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-c.Done:
			return false
		}
	}
	return true
}

// Endless writes a text repeatedly, until the client has gone or the test ends.
func (c *RawConn) Endless(text string) {
	block := text
	if n := (32 << 10) / max(len(text), 1); n > 1 {
		block = strings.Repeat(text, n)
	}
	for c.Say(block) {
	}
}

// Garbage writes bytes that belong to no protocol: they are no text, and are large numbers when read as a length.
func (c *RawConn) Garbage() bool { return c.Say(strings.Repeat("\xff\xfe\x80\x00\r\n", 64)) }

// HalfClose ends the direction to the client; the other direction stays open.
func (c *RawConn) HalfClose() { c.tcp().CloseWrite() }

// Cut ends the connection with a FIN, without TLS's close message. If bytes are unread, the kernel sends an RST.
func (c *RawConn) Cut() { c.tcp().Close() }

// Reset ends the connection with an RST.
func (c *RawConn) Reset() {
	raw := c.tcp()
	raw.SetLinger(0)
	raw.Close()
}

func (c *RawConn) tcp() *net.TCPConn {
	conn := c.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return conn.(*net.TCPConn)
}
