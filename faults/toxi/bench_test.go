package toxi

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkRoundTrip compares a connection without a link and one over a link with no fault.
func BenchmarkRoundTrip(b *testing.B) {
	u := serve(b, echo)
	for _, way := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
	}{{"direct", new(net.Dialer).DialContext}, {"link", newLink(b).Dial}} {
		b.Run(way.name, func(b *testing.B) {
			c, err := way.dial(b.Context(), "tcp", u.address())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			report(b, roundTrips(b, c))
		})
	}
}

// BenchmarkLatency shows how exact 50 +- 10 ms are, requests one after the other.
func BenchmarkLatency(b *testing.B) {
	u, l := serve(b, echo), newLink(b)
	c := dial(b, l, u.address())
	inject(b, l, Config{Latency: steady(50 * ms), Jitter: 10 * ms})
	_ = c.SetDeadline(time.Time{})
	took := roundTrips(b, c)
	report(b, took)
	b.ReportMetric(mean(took).Seconds()*1e3, "mean-ms")
}

func roundTrips(b *testing.B, c net.Conn) []time.Duration {
	var took []time.Duration
	message := make([]byte, 100)
	for b.Loop() {
		begun := time.Now()
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	return took
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}

// BenchmarkBulk reads as fast as it goes.
func BenchmarkBulk(b *testing.B) {
	chunk := make([]byte, 64<<10)
	u := serve(b, func(c net.Conn) {
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	for _, way := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
	}{{"direct", new(net.Dialer).DialContext}, {"link", newLink(b).Dial}} {
		b.Run(way.name, func(b *testing.B) {
			c, err := way.dial(b.Context(), "tcp", u.address())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.SetBytes(1 << 20)
			for b.Loop() {
				if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
