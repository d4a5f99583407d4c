package integrity

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/reports"
)

// A log is cut back or made anew, and the source reads again what it holds. The account is that of a ledger which only saw
// what the log holds at last; of acks that named places used twice nothing is known.
func TestAnew(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 200, 20)) {
		r := rand.New(rand.NewPCG(seed, 7))
		config := Config{Stream: "orders", Identity: us, Windows: windows, WindowAt: windowAt, Order: Sequential, Mode: Log,
			KeyOf: func(seq uint64) uint64 { return seq % 5 }}
		cut, whole := New(config), New(config)
		n := uint64(200 + r.IntN(9000)) // more than a page at times
		ended := 0
		ends := make([]reports.Ended, n)
		for seq := range ends {
			ends[seq] = op(uint64(seq), seq*30000/int(n), []drivers.Outcome{drivers.Acked, drivers.Acked, drivers.Indeterminate, drivers.Rejected}[r.IntN(4)])
		}
		endTo := func(to int) {
			for ; ended < to; ended++ {
				cut.Ended(ends[ended : ended+1])
				whole.Ended(ends[ended : ended+1])
			}
		}
		log := func(share int) (all []drivers.Delivery) {
			for seq := range n {
				for range []int{1, 1, 1, 2}[r.IntN(4)] {
					if r.IntN(100) < share {
						id := us
						if r.IntN(50) == 0 {
							id = theirs
						}
						all = append(all, drivers.Delivery{ID: []byte(id.Text(seq)), At: time.Duration(seq) * time.Millisecond, Position: drivers.PositionIn(int32(seq%5), int64(len(all)))})
					}
				}
			}
			return all
		}
		before, after := log(90), log(70)
		endTo(r.IntN(int(n) / 2))
		cut.Seen(before[:r.IntN(len(before))])
		endTo(ended + r.IntN(int(n)/3))
		cut.Seen([]drivers.Delivery{{Anew: true, At: time.Second}})
		half := r.IntN(len(after))
		cut.Seen(after[:half])
		whole.Seen(after[:half])
		endTo(int(n))
		cut.Seen(after[half:])
		whole.Seen(after[half:])
		got, want := cut.result(reports.Completeness{Known: true}, windowAt), whole.result(reports.Completeness{Known: true}, windowAt)
		if got.Total.AckCollisions != nil || got.Unknown["ack_collisions"] != cutBackReason {
			t.Errorf("seed %d: collisions %v", seed, got.Unknown)
		}
		want.Total.AckCollisions = nil
		g, _ := json.Marshal(got.Total)
		w, _ := json.Marshal(want.Total)
		if string(g) != string(w) {
			t.Fatalf("seed %d:\n%s\n%s", seed, g, w)
		}
	}
}
