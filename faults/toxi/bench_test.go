package toxi

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// path is a path to the target that a benchmark measures.
type path struct {
	name string
	dial func(context.Context, string, string) (net.Conn, error)
}

// paths are: no link, a link without a fault, a link whose bytes go through the lanes, and the library's own proxy.
func paths(b *testing.B, target string) []path {
	faulty := newLink(b)
	inject(b, faulty, Config{Latency: steady(time.Hour), Connections: 1e-12}) // in force, and acts on no connection
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "library", "127.0.0.1:0", target)
	if err := proxy.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(proxy.Stop)
	return []path{
		{"direct", new(net.Dialer).DialContext},
		{"link", newLink(b).Dial},
		{"lanes", faulty.Dial},
		{"library", func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, proxy.Listen)
		}},
	}
}

// BenchmarkRoundTrip compares the paths. It makes a round trip on each in turn, so that other load on the machine
// affects all.
func BenchmarkRoundTrip(b *testing.B) {
	u := serve(b, echo)
	all := paths(b, u.address())
	conns, took := make([]net.Conn, len(all)), make([][]time.Duration, len(all))
	for i, p := range all {
		c, err := p.dial(b.Context(), "tcp", u.address())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	message := make([]byte, 100)
	for b.Loop() {
		for i, c := range conns {
			took[i] = append(took[i], roundTrip(b, c, message))
		}
	}
	b.ReportMetric(0, "ns/op")
	direct := median(took[0])
	for i, p := range all {
		b.ReportMetric(float64(median(took[i]).Nanoseconds())/1e3, p.name+"-p50-us")
		b.ReportMetric(float64(median(took[i]))/float64(direct), p.name+"/direct")
	}
}

// BenchmarkLatency200 shows how exact 50 +- 10 ms are at 200 connections with sequential requests on each. The ideal
// p50 is 50 ms and the ideal p99 59.8 ms. Beside them stands the result of bare timers with the same draws, because
// on a busy machine no link can be better.
func BenchmarkLatency200(b *testing.B) {
	u, l := serve(b, echo), newLink(b)
	conns := make([]net.Conn, 200)
	for i := range conns {
		conns[i] = dial(b, l, u.address())
		_ = conns[i].SetDeadline(time.Time{})
	}
	inject(b, l, Config{Latency: steady(50 * ms), Jitter: 10 * ms})
	took, slept := make([][]time.Duration, len(conns)), make([][]time.Duration, len(conns))
	b.ResetTimer()
	var all sync.WaitGroup
	trips := max(b.N/len(conns), 1)
	for i, c := range conns {
		all.Go(func() {
			message := make([]byte, 100)
			for range trips {
				took[i] = append(took[i], roundTrip(b, c, message))
			}
		})
		all.Go(func() {
			w, s := newJitterWalk(1, uint64(i), fromTarget), newSpread(shapes[Uniform], 10*ms)
			for range trips {
				begun := time.Now()
				<-time.After(50*ms + w.next(begun, s, true))
				slept[i] = append(slept[i], time.Since(begun))
			}
		})
	}
	all.Wait()
	for name, each := range map[string][][]time.Duration{"link": took, "timers": slept} {
		every := slices.Concat(each...)
		b.ReportMetric(mean(every).Seconds()*1e3, name+"-mean-ms")
		b.ReportMetric(median(every).Seconds()*1e3, name+"-p50-ms")
		b.ReportMetric(every[len(every)*99/100].Seconds()*1e3, name+"-p99-ms")
	}
}

func roundTrip(b *testing.B, c net.Conn, message []byte) time.Duration {
	begun := time.Now()
	if _, err := c.Write(message); err != nil {
		b.Error(err)
	}
	if _, err := io.ReadFull(c, message); err != nil {
		b.Error(err)
	}
	return time.Since(begun)
}

// BenchmarkBulk reads as fast as possible. The target sends a part for each byte that it reads. A few parts are
// always requested ahead, so that no bytes are left at the end. If a client abandons a download, the library leaks a
// goroutine.
func BenchmarkBulk(b *testing.B) {
	part := make([]byte, 1<<20)
	u := serve(b, func(c net.Conn) {
		for {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return
			}
			if _, err := c.Write(part); err != nil {
				return
			}
		}
	})
	const ahead = 4
	for _, p := range paths(b, u.address()) {
		b.Run(p.name, func(b *testing.B) {
			c, err := p.dial(b.Context(), "tcp", u.address())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			more := func(parts int) {
				if _, err := c.Write(make([]byte, parts)); err != nil {
					b.Fatal(err)
				}
			}
			take := func() {
				if _, err := io.CopyN(io.Discard, c, int64(len(part))); err != nil {
					b.Fatal(err)
				}
			}
			more(ahead)
			b.SetBytes(int64(len(part)))
			for b.Loop() {
				more(1)
				take()
			}
			for range ahead {
				take()
			}
		})
	}
}
