package kafkalink

import (
	"io"
	"net"
	"testing"
	"time"

	"wringer/faults/faulttest"
)

// A client that has ended its writing side gets what the target says after that: plain Kafka and bytes that are not.
func TestHalfCloseThroughTheLayer(t *testing.T) {
	const answer = "\x00\x00\x00\x04\x00\x00\x00\x07"
	address := faulttest.AnswerAtTheEnd(t, answer)
	r := newRig(t, address)
	for _, request := range []string{"\x00\x00\x00\x0a\x00\x03\x00\x09\x00\x00\x00\x07\xff\xff", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc a TLS hello", ""} {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, request)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); len(got) == 0 || err != nil {
			t.Errorf("%q: got %q, %v", request, got, err)
		}
		c.Close()
	}
}

func TestHalfCloseOverTLS(t *testing.T) {
	faulttest.HalfCloseOverTLS(t, func(t *testing.T, address string) net.Conn { return newRig(t, address).dial(t) })
}
