package witness

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
)

// none is a Sink that does nothing.
type none struct{}

func (none) Arrived(drivers.Mark, uint64, time.Duration) {}
func (none) Whole(drivers.Mark)                          {}
func (none) Answered(drivers.Mark)                       {}
func (none) Blind(string)                                {}

const (
	benchRequest = "POST /orders HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wringer\r\nContent-Type: application/json\r\n" +
		"Idempotency-Key: r1.s.123456\r\nWringer-Op: r1.s.123456\r\nContent-Length: 64\r\n\r\n"
	benchAnswer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 30\r\n\r\n"
)

// BenchmarkReading is the cost of reading one request and its answer.
func BenchmarkReading(b *testing.B) {
	conn := New(identity, clock, none{}).watch(&scripted{takes: 1 << 30})
	asked, answered := []byte(benchRequest+strings.Repeat("x", 64)), []byte(benchAnswer+strings.Repeat("y", 30))
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(asked)
		conn.received(answered, false)
	}
}

// BenchmarkRoundTrip is a request over loopback, with and without a witness.
func BenchmarkRoundTrip(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	asked, answered := []byte(benchRequest+strings.Repeat("x", 64)), []byte(benchAnswer+strings.Repeat("y", 30))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, len(asked)); ; {
					if _, err := io.ReadFull(c, buf); err != nil {
						return
					}
					c.Write(answered)
				}
			}()
		}
	}()
	for _, watched := range []bool{false, true} {
		b.Run(fmt.Sprintf("witness=%t", watched), func(b *testing.B) {
			dial := drivers.DialFunc(new(net.Dialer).DialContext)
			if watched {
				dial = dialler(none{})
			}
			c, err := dial(context.Background(), "tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			buf := make([]byte, len(answered))
			b.ReportAllocs()
			for b.Loop() {
				c.Write(asked)
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
