package httplink

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"wringer/faults/faulttest"
)

// A client that has ended its writing side gets its answer through the layer, over a dial and an inlet; other protocols too.
// The target answers only after the end.
func TestHalfCloseThroughTheLayer(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	address := faulttest.AnswerAtTheEnd(t, answer)
	r := newRig(t, address)
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x00\x01 no HTTP", ""} {
		for name, open := range map[string]func() (net.Conn, error){
			"dial":  func() (net.Conn, error) { return r.link.Dial(t.Context(), "tcp", address) },
			"inlet": func() (net.Conn, error) { return net.Dial("tcp", r.address) },
		} {
			c, err := open()
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(c, request)
			if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); string(got) != answer || err != nil {
				t.Errorf("%s, %q: got %q, %v", name, request, got, err)
			}
			c.Close()
		}
	}
}

func TestHalfCloseOverTLS(t *testing.T) {
	t.Run("dial", func(t *testing.T) {
		r := newRig(t, "127.0.0.1:1")
		faulttest.HalfCloseOverTLS(t, func(t *testing.T, address string) net.Conn {
			c, err := r.link.Dial(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
	t.Run("inlet", func(t *testing.T) {
		faulttest.HalfCloseOverTLS(t, func(t *testing.T, address string) net.Conn {
			c, err := net.Dial("tcp", newRig(t, address).address)
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
}

// A client of this process that closes its connection ends the target's too, also when the target would not end.
func TestAClientThatLeavesEndsTheTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, l.Addr().String())
	c, err := r.link.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	target, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	in := bufio.NewReader(target)
	if _, err := http.ReadRequest(in); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := in.ReadByte(); err == nil {
		t.Fatal("the client sent a byte after its end")
	}
	_ = target.SetDeadline(time.Now().Add(patience))
	for err == nil { // the link has closed the connection: its kernel answers with a reset
		_, err = io.WriteString(target, "nobody listens")
		time.Sleep(time.Millisecond)
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("the link keeps the connection open")
	}
}
