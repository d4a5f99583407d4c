package effects

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// BenchmarkAccount is the cost of one operation, its end and its sighting, each in a batch of 256. The sightings come first, or
// a thousand operations later.
func BenchmarkAccount(b *testing.B) {
	const size = 256
	for name, behind := range map[string]uint64{"seen first": 0, "ended first": 1024} {
		b.Run(name, func(b *testing.B) {
			a := New(Config{Identity: identity, Windows: []string{"baseline"}})
			ends := make([]reports.Ended, size)
			seen := make([]drivers.Delivery, size)
			b.ReportAllocs()
			for n := uint64(0); n < uint64(b.N); n += size {
				for i := range uint64(size) {
					planned := time.Duration(n+i) * 10 * time.Microsecond
					ends[i] = reports.Ended{Op: drivers.Op{Seq: n + i, Planned: planned}, Outcome: drivers.Acked}
					seen[i].At = planned + 3*time.Millisecond
					seen[i].ID = identity.Append(seen[i].ID[:0], n+i-min(behind, n))
				}
				if behind == 0 {
					a.Seen(seen)
					a.Ended(ends)
				} else {
					a.Ended(ends)
					a.Seen(seen)
				}
			}
		})
	}
}
