package drivertest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial connects to a raw server. The connection closes with the test.
func dial(t *testing.T, s *RawServer) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestRawServer tries what a script can do, as a client sees it.
func TestRawServer(t *testing.T) {
	for name, test := range map[string]struct {
		script func(*RawConn)
		want   string // what the client reads, cut to the expected length
		err    error  // how the connection ends; nil: at the end of the text
	}{
		"says":        {func(c *RawConn) { c.Some(); c.Say("hello") }, "hello", nil},
		"skips":       {func(c *RawConn) { c.Skip(3); line, _ := c.Line(); c.Say(line) }, "lo", nil},
		"cuts":        {func(c *RawConn) { c.Some(); c.Say("half"); c.Cut() }, "half", nil},
		"resets":      {func(c *RawConn) { c.Some(); c.Reset() }, "", syscall.ECONNRESET},
		"slowly":      {func(c *RawConn) { c.Some(); c.Slowly("drip", time.Microsecond) }, "drip", nil},
		"half-closes": {func(c *RawConn) { c.Some(); c.Say("end"); c.HalfClose(); c.Hang() }, "end", nil},
		"garbage":     {func(c *RawConn) { c.Some(); c.Garbage() }, strings.Repeat("\xff\xfe\x80\x00\r\n", 64), nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, ServeRaw(t, test.script))
			if _, err := io.WriteString(c, "hello\r\n"); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

// TestRawServerWithoutEnd reads part of an endless answer, and closes.
func TestRawServerWithoutEnd(t *testing.T) {
	s := ServeRaw(t, func(c *RawConn) { c.Endless("more ") })
	c := dial(t, s)
	if n, err := io.CopyN(io.Discard, c, 1<<20); n != 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	c.Close()
	s.Wait()
}

// TestRawServerScripts: each connection follows its script, and the last script serves all later ones.
func TestRawServerScripts(t *testing.T) {
	first := func(c *RawConn) { c.Say("first") }
	later := func(c *RawConn) { c.Say("later") }
	s := ServeRaw(t, first, later)
	for n, want := range []string{"first", "later", "later"} {
		got, err := io.ReadAll(dial(t, s))
		if string(got) != want || err != nil {
			t.Errorf("connection %d: %q, %v", n+1, got, err)
		}
	}
	if s.Accepted() != 3 {
		t.Errorf("%d accepted", s.Accepted())
	}
}

// TestRawServerRefuses: after Refuse nothing listens and open connections have ended. After Listen the same port answers
// again.
func TestRawServerRefuses(t *testing.T) {
	s := ServeRaw(t, (*RawConn).Hang)
	open := dial(t, s)
	for s.Accepted() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Refuse()
	if _, err := io.ReadAll(open); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if c, err := net.Dial("tcp", s.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connected to nobody: %v, %v", c, err)
	}
	s.Listen()
	dial(t, s)
}

// TestRawServerEnds: scripts that hang, drip or write endlessly return at the end of the test.
func TestRawServerEnds(t *testing.T) {
	for _, script := range []func(*RawConn){
		(*RawConn).Hang,
		func(c *RawConn) { c.Endless("x") },
		func(c *RawConn) { c.Slowly(strings.Repeat("x", 1000), time.Hour) },
		func(c *RawConn) { <-c.Done },
	} {
		s := ServeRaw(t, script)
		dial(t, s)
		for s.Accepted() == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Close()
		s.Close()
	}
}

// TestRawServerTLS ends connections above TLS and below it.
func TestRawServerTLS(t *testing.T) {
	lends := httptest.NewTLSServer(http.NotFoundHandler())
	defer lends.Close()
	for name, test := range map[string]struct {
		end  func(*RawConn)
		want error
	}{
		"farewell": {func(*RawConn) {}, nil},
		"cut":      {(*RawConn).Cut, nil}, // crypto/tls takes a FIN between records as the end
		"reset":    {(*RawConn).Reset, syscall.ECONNRESET},
	} {
		s := ServeRawTLS(t, lends.TLS.Clone(), func(c *RawConn) {
			if c.Some() && c.Say("secret") {
				if b, err := c.In.ReadByte(); b == '.' && err == nil {
					test.end(c)
				}
			}
		})
		c, err := tls.Dial("tcp", s.Address(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "hello")
		got := make([]byte, 6)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		io.WriteString(c, ".")
		if _, err := io.ReadAll(c); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		c.Close()
	}
}
