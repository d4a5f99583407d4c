package witness

import (
	"context"
	"io"
	"net"
	"slices"
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

// nobody is an account of requests that keeps nothing.
type nobody struct{}

func (n nobody) Arrived(r *drivers.Request) { r.To = n }
func (nobody) Identified(*drivers.Request)  {}
func (nobody) Over(*drivers.Request)        {}
func (nobody) Blind(string)                 {}

// witnesses are those that a benchmark compares; nil is none.
func witnesses() []struct {
	name string
	*Witness
} {
	place, err := ParsePlace("header Idempotency-Key")
	if err != nil {
		panic(err)
	}
	return []struct {
		name string
		*Witness
	}{{"none", nil}, {"stream", New(identity, clock, none{})}, {"link", OnLink(place, func() drivers.Requests { return nobody{} })}}
}

// BenchmarkReading is the cost of reading one request and its answer.
func BenchmarkReading(b *testing.B) {
	for _, w := range witnesses()[1:] {
		b.Run(w.name, func(b *testing.B) {
			conn := w.watch(&scripted{takes: 1 << 30})
			asked, answered := []byte(benchRequest+strings.Repeat("x", 64)), []byte(benchAnswer+strings.Repeat("y", 30))
			b.ReportAllocs()
			for b.Loop() {
				conn.Write(asked)
				conn.received(answered, false)
			}
		})
	}
}

// BenchmarkRoundTrip is a request over loopback, in turn without a witness and with one of a stream and of a link. The figures are
// the medians beside each other.
func BenchmarkRoundTrip(b *testing.B) {
	asked, answered := []byte(benchRequest+strings.Repeat("x", 64)), []byte(benchAnswer+strings.Repeat("y", 30))
	address := answering(b, asked, answered)
	all := witnesses()
	conns, took := make([]net.Conn, len(all)), make([][]time.Duration, len(all))
	for i, w := range all {
		dial := drivers.DialFunc(new(net.Dialer).DialContext)
		if w.Witness != nil {
			dial = w.Watch(dial)
		}
		c, err := dial(context.Background(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	buf := make([]byte, len(answered))
	for b.Loop() {
		for i, c := range conns {
			begun := time.Now()
			c.Write(asked)
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(begun))
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, w := range all {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2])/float64(took[0][len(took[0])/2]), w.name+"/none")
	}
}

// answering is a target that gives one answer to one request, again and again.
func answering(b *testing.B, asked, answered []byte) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
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
	return l.Addr().String()
}
