//go:build unix

package samples

import (
	"io"
	"syscall"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// counted counts what is written.
type counted struct{ bytes int64 }

func (c *counted) Write(b []byte) (int, error) { c.bytes += int64(len(b)); return len(b), nil }

// cpu is the time that this process has used.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// operation is the n-th of a stream of 50,000 a second, with times and sizes that vary.
func operation(e *reports.Ended, n uint64) *reports.Ended {
	at := &e.Trail[0]
	due := time.Duration(n) * 20 * time.Microsecond
	e.Op = drivers.Op{Seq: n, Planned: due, Keyed: true, Key: drivers.DrawBelow(drivers.Draw(1, n, 0), 500)}
	at.Sent = due + time.Duration(drivers.Draw(1, n, 1)%200_000)
	at.Done = at.Sent + time.Duration(500_000+drivers.Draw(1, n, 2)%5_000_000)
	at.Out, at.In = 120, 40+int64(n%10)
	return e
}

func acked() *reports.Ended {
	return &reports.Ended{Outcome: drivers.Acked, Trail: []drivers.Attempt{{Number: 1, Outcome: drivers.Acked, Status: 201, Answered: true, Wire: true}}}
}

// BenchmarkWrite writes rows as fast as they can be written, and says how many a CPU-second that makes.
func BenchmarkWrite(b *testing.B) {
	for _, f := range formats {
		b.Run(f.ending[1:], func(b *testing.B) {
			out := new(counted)
			w, err := New(out, "rows"+f.ending)
			if err != nil {
				b.Fatal(err)
			}
			w.Begin(reports.Begun{Stream: "s", Epoch: time.Now(), Windows: []string{"baseline"}, Faults: []string{""}, Identity: drivers.Identity{Run: "r", Stream: "s"}})
			e, before := acked(), cpu(b)
			b.ReportAllocs()
			for n := range uint64(b.N) {
				for w.behind() {
					time.Sleep(100 * time.Microsecond)
				}
				w.Ended("s", operation(e, n))
			}
			got := w.Finish()
			if got.Rows != int64(b.N) {
				b.Errorf("%+v of %d", got, b.N)
			}
			b.ReportMetric(float64(b.N)/(cpu(b)-before).Seconds(), "rows/cpu-s")
			b.ReportMetric(float64(out.bytes)/float64(b.N), "bytes/row")
		})
	}
}

// behind says whether the next row may find no room.
func (w *Writer) behind() bool { return len(w.full) >= batches-1 }

// BenchmarkTake is the cost for the traffic.
func BenchmarkTake(b *testing.B) {
	w, err := New(io.Discard, "rows.csv")
	if err != nil {
		b.Fatal(err)
	}
	w.Begin(stock)
	b.RunParallel(func(p *testing.PB) {
		for e := unknown(); p.Next(); {
			w.Ended("stock", e)
		}
	})
	got := w.Finish()
	b.ReportMetric(float64(got.Missing)/float64(b.N), "missing/row")
}

// BenchmarkSteady hands over 50,000 rows a second for as many seconds as there are rounds, and says how many were missing.
func BenchmarkSteady(b *testing.B) {
	for _, f := range formats {
		b.Run(f.ending[1:], func(b *testing.B) {
			w, err := New(io.Discard, "rows"+f.ending)
			if err != nil {
				b.Fatal(err)
			}
			w.Begin(stock)
			const perMillisecond = 50
			e, n, before := acked(), uint64(0), cpu(b)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			begin := time.Now()
			for n < uint64(b.N)*perMillisecond*1000 {
				<-tick.C
				for due := uint64(time.Since(begin)/time.Millisecond) * perMillisecond; n < due; n++ {
					w.Ended("stock", operation(e, n))
				}
			}
			got := w.Finish()
			b.ReportMetric(float64(got.Missing)/float64(b.N), "missing/s")
			b.ReportMetric((cpu(b)-before).Seconds()/time.Since(begin).Seconds(), "cores")
		})
	}
}
