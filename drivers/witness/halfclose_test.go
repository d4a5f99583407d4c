package witness

import (
	"fmt"
	"io"
	"net"
	"testing"

	"wringer/drivers"
)

// An answer after the client ended its side passes, and is not reported: nobody may await it.
func TestAnswerAfterTheClientsEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(io.Discard, c)
		_, _ = io.WriteString(c, answer)
	}()
	y := newTally()
	c, err := dialler(y)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n%s: %s\r\n\r\n", drivers.MarkHeader, identity.Text(7))
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != answer || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if len(y.arrived) != 1 || len(y.whole) != 1 || len(y.answered) != 0 || len(y.blind) != 0 {
		t.Errorf("%v", y)
	}
}
