package integrity

import (
	"runtime"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// BenchmarkLedger accounts for operations that end and are seen, in batches of 256. One op of the benchmark is one operation,
// hence two events. ns/event is the ledger's CPU time for one event, on one core; ns/op also holds the making of the history.
// events/cpu-s is the inverse. B/100Mops is what the ledger holds at the end, for 100 million operations; -benchtime=100000000x
// measures exactly that.
func BenchmarkLedger(b *testing.B) {
	histories := []struct {
		name    string
		order   Order
		keys    uint64
		shuffle uint64 // Deliveries are shuffled within this distance.
		repeat  uint64 // One operation in this many is delivered twice.
		lose    uint64 // One operation in this many is lost.
		seen    bool   // a batch is seen before it ends
	}{
		{name: "in order", order: Sequential},
		{name: "in order, seen first", order: Sequential, seen: true},
		{name: "in order, 10000 keys", order: Sequential, keys: 10_000},
		{name: "in order, 10000 keys, seen first", order: Sequential, keys: 10_000, seen: true},
		{name: "shuffled by 64, 0.1% twice", order: None, shuffle: 64, repeat: 1000},
		{name: "shuffled by 64, 1% lost", order: None, shuffle: 64, lose: 100},
		{name: "real time, 10000 keys, shuffled by 64", order: RealTime, keys: 10_000, shuffle: 64},
	}
	for _, h := range histories {
		b.Run(h.name, func(b *testing.B) {
			c := Config{Stream: "orders", Identity: us, Windows: windows, Order: h.order, Mode: Log}
			if h.keys > 0 {
				c.KeyOf = drivers.KeysOf(1, h.keys)
			}
			before := heap()
			l := New(c)
			feed := newFeed(h.shuffle, h.repeat, h.lose)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var telling time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for from := 0; from < b.N; from += batchSize {
				feed.fill(uint64(from), min(batchSize, b.N-from))
				start := threadTime(b)
				if h.seen {
					l.Seen(feed.seen)
					l.Ended(feed.ended)
				} else {
					l.Ended(feed.ended)
					l.Seen(feed.seen)
				}
				telling += threadTime(b) - start
			}
			b.ReportMetric(float64(telling.Nanoseconds())/float64(2*b.N), "ns/event")
			b.ReportMetric(float64(2*b.N)/telling.Seconds(), "events/cpu-s")
			b.ReportMetric(float64(heap()-before)/float64(b.N)*100e6, "B/100Mops")
			runtime.KeepAlive(l)
		})
	}
}

const batchSize = 256

// feed makes batches of ends and of their deliveries without allocating.
type feed struct {
	ended                 []reports.Ended
	seen                  []drivers.Delivery
	trail                 []drivers.Attempt
	text                  []byte
	offset                int64
	shuffle, repeat, lose uint64
}

func newFeed(shuffle, repeat, lose uint64) *feed {
	return &feed{trail: []drivers.Attempt{{Number: 1, Outcome: ack}}, shuffle: max(shuffle, 1), repeat: repeat, lose: lose}
}

func (f *feed) fill(from uint64, n int) {
	f.ended, f.seen, f.text = f.ended[:0], f.seen[:0], f.text[:0]
	for i := range uint64(n) {
		seq := from + i
		at := time.Duration(seq) * time.Microsecond
		f.ended = append(f.ended, reports.Ended{
			Op: drivers.Op{Seq: seq, Planned: at}, Window: int(min(seq>>24, 2)), Outcome: ack, Sent: at, Done: at + time.Millisecond, Trail: f.trail,
		})
		// 37 is prime to the shuffle's length, so the steps permute each stretch.
		block := i - i%f.shuffle
		shown := from + block + (i%f.shuffle)*37%f.shuffle
		if f.lose > 0 && shown%f.lose == 1 {
			continue
		}
		f.see(shown, at)
		if f.repeat > 0 && shown%f.repeat == 1 {
			f.see(shown, at)
		}
	}
}

func (f *feed) see(seq uint64, at time.Duration) {
	start := len(f.text)
	f.text = us.Append(f.text, seq)
	f.seen = append(f.seen, drivers.Delivery{ID: f.text[start:], Position: drivers.PositionIn(0, f.offset), At: at})
	f.offset++
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkLive reads the live account of ten million operations.
func BenchmarkLive(b *testing.B) {
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, Order: Sequential})
	f := newFeed(1, 0, 100)
	for from := uint64(0); from < 10_000_000; from += batchSize {
		f.fill(from, batchSize)
		l.Ended(f.ended)
		l.Seen(f.seen)
	}
	b.ReportAllocs()
	var unseen int64
	for b.Loop() {
		unseen = l.Live().Unseen
	}
	if unseen == 0 {
		b.Error("nothing is unseen")
	}
}
