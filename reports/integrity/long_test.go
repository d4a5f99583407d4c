package integrity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/reports/pages"
)

// long makes a history of several full pages in which little goes wrong, and everything does sometimes.
func long(seed uint64, order Order, partitions int32) *drawn {
	rnd := rand.New(rand.NewPCG(seed, 0))
	h := &drawn{config: Config{
		Stream: "orders", Identity: us, Windows: windows, Order: order, EvidencePerKind: 1 << 20,
		KeyOf: func(seq uint64) uint64 { return drivers.KeyOf(seed, seq, 97) },
	}}
	const operations = 4*pages.Size + 100
	for seq := range uint64(operations) {
		due := time.Duration(seq)*2*time.Millisecond - 2*time.Second
		e := op(seq, int(due/time.Millisecond), ack)
		// Two pages are whole: all their operations are acked.
		if rnd.IntN(50) == 0 && seq>>pages.Shift != 1 && seq>>pages.Shift != 3 {
			e = op(seq, int(due/time.Millisecond), []drivers.Outcome{rej, ind, drp}[rnd.IntN(3)])
		}
		if e.Outcome != drp {
			e.Done = e.Sent + time.Duration(rnd.IntN(500))*time.Millisecond
		}
		h.ended = append(h.ended, e)
	}
	next := make([]int64, partitions)
	show := func(seq uint64) {
		p := int32(h.config.KeyOf(seq) % uint64(partitions))
		h.seen = append(h.seen, at(seq, p, next[p], int(seq)*2))
		next[p]++
	}
	for seq := range uint64(operations) {
		lost := rnd.IntN(100) == 0 && seq>>pages.Shift != 1
		if e := h.ended[seq]; e.Outcome == ack && !lost || e.Outcome != ack && rnd.IntN(2) == 0 {
			show(seq)
		}
		switch rnd.IntN(200) {
		case 0: // late or again
			show(seq - min(seq, rnd.Uint64N(3000)))
		case 1:
			h.seen = append(h.seen, h.seen[rnd.IntN(len(h.seen))])
		case 2:
			h.seen = append(h.seen, at(seq+5000, 0, next[0], int(seq)*2), drivers.Delivery{At: time.Duration(seq) * time.Millisecond})
			next[0]++
		}
	}
	return h
}

// batches cuts a list.
func batches[T any](list []T, n int, take func([]T)) {
	for batch := range slices.Chunk(list, n) {
		take(batch)
	}
}

func TestLongHistories(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 6, 2)) {
		for _, order := range []Order{Sequential, RealTime} {
			h := long(seed, order, 3)
			want, split := h.reference().counts(windowAt)
			l := New(h.config)
			if seed%2 == 0 {
				batches(h.ended, 256, l.Ended)
				batches(h.seen, 100, l.Seen)
			} else {
				batches(h.seen, 100, l.Seen)
				batches(h.ended, 256, l.Ended)
			}
			got := l.result(reports.Completeness{Known: true}, windowAt)
			h.compare(t, got, want, split)
			h.evidence(t, got)
		}
	}
}

// TestConcurrent: several shards hand over ends, each partition has a reader of its own, and another goroutine reads the live
// account.
func TestConcurrent(t *testing.T) {
	for _, order := range []Order{Sequential, RealTime} {
		const partitions = 3
		h := long(99, order, partitions)
		// Otherwise the scheduler would decide which partition of a key is the first.
		h.seen = slices.DeleteFunc(h.seen, func(d drivers.Delivery) bool {
			seq, b := us.Parse(d.ID)
			return b == drivers.Ours && h.config.KeyOf(seq)%partitions != uint64(d.Position.Log)
		})
		want, split := h.reference().counts(windowAt)
		l := New(h.config)
		var feeding, watching sync.WaitGroup
		for shard := range 3 {
			feeding.Go(func() {
				var mine []reports.Ended
				for i := shard; i < len(h.ended); i += 3 {
					mine = append(mine, h.ended[i])
				}
				batches(mine, 64, l.Ended)
			})
		}
		for p := range int32(partitions) {
			feeding.Go(func() {
				for i := range h.seen {
					if h.seen[i].Position.Log == p {
						l.Seen(h.seen[i : i+1])
					}
				}
			})
		}
		over := make(chan struct{})
		watching.Go(func() {
			for {
				if v := l.Live(); v.Unseen < 0 || v.Seen > int64(len(h.ended)) {
					t.Errorf("live %+v", v)
				}
				l.Settled()
				select {
				case <-over:
					return
				default:
				}
			}
		})
		feeding.Wait()
		close(over)
		watching.Wait()
		got := l.result(reports.Completeness{Known: true}, windowAt)
		h.compare(t, got, want, split)
		h.evidence(t, got)
	}
}

// TestInventions: a target that invents operations by the million, near and far, fills no memory and hides nothing.
func TestInventions(t *testing.T) {
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, Order: Sequential})
	const invented = 200_000
	l.Ended([]reports.Ended{op(0, 100, ack), op(1, 200, ack), op(2, 300, ack)})
	for i := range uint64(invented) {
		l.Seen([]drivers.Delivery{at(1<<62+i*(1<<20), 0, int64(i), 15000)})
	}
	l.Seen([]drivers.Delivery{at(2, 1, 0, 400), at(1, 1, 1, 500), at(2, 1, 2, 600)})
	r := l.result(reports.Completeness{Known: true}, windowAt)
	want := fmt.Sprintf("acked=3 effect_duplicates=1 extra_copies=1 lost=1 max_copies=2 order_violations=1 regressions=1 seen=2 unexpected=%d", invented)
	if got := countsText(r.Total, nil); got != want {
		t.Errorf("total\n got %s\nwant %s", got, want)
	}
	if n := *r.Windows["fault"].Unexpected; n != invented {
		t.Errorf("unexpected during the fault: %d, want %d", n, invented)
	}
	if len(l.history.kept) > l.limits.unplanned || l.pages.Len() > int(l.limits.horizon/pages.Size)+1 {
		t.Errorf("%d records and %d pages for what was invented", len(l.history.kept), l.pages.Len())
	}
}

// TestEvidenceIsShared: a flood in one window does not hide the single loss of another, and counts go beyond the evidence.
func TestEvidenceIsShared(t *testing.T) {
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, EvidencePerKind: 10})
	for seq := range uint64(5000) {
		l.Ended([]reports.Ended{op(seq, 100, ack)})
	}
	l.Ended([]reports.Ended{op(5000, 25000, ack), op(5001, -100, ack)})
	r := l.result(reports.Completeness{Known: true}, windowAt)
	if *r.Total.Lost != 5001 || len(r.Violations) != 11 || r.Violations[10].Window != "after fault" {
		t.Errorf("lost %d, %d entries", *r.Total.Lost, len(r.Violations))
	}
}

// TestEvidence: an entry holds the facts that a reviewer needs, also for an operation that is long over.
func TestEvidence(t *testing.T) {
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, KeyOf: func(seq uint64) uint64 { return seq + 7 }})
	e := op(1, 12026, ack)
	e.Trail = nil
	for i := range 6 {
		sent := time.Duration(12000+10*i) * time.Millisecond
		e.Trail = append(e.Trail, drivers.Attempt{Number: i + 1, Sent: sent, Done: sent + time.Millisecond, Outcome: ind, Code: fmt.Sprintf("http_50%d", i), Detail: "why"})
	}
	l.Ended([]reports.Ended{e})
	clear(e.Trail) // the caller uses the slice again
	for seq := range uint64(1 << 17) {
		l.Ended([]reports.Ended{op(seq+2, 13000, ack)})
		l.Seen([]drivers.Delivery{at(seq+2, 0, int64(seq), 13001)})
	}
	r := l.result(reports.Completeness{Known: true}, windowAt)
	if len(r.Violations) != 1 {
		t.Fatalf("%d entries: %+v", len(r.Violations), r.Violations)
	}
	v := r.Violations[0]
	var codes []string
	for _, try := range v.Attempts {
		codes = append(codes, try.Code)
	}
	got := fmt.Sprintf("%s %s %s %s %s %s %d %d %d %s", v.Kind, v.Stream, v.Window, v.ID, v.Key, v.Outcome, *v.PlannedNS, *v.SentNS, *v.DoneNS, strings.Join(codes, ","))
	if want := "lost orders fault r1.orders.1 8 acked 12026000000 12026000000 12031000000 http_500,http_503,http_504,http_505"; got != want {
		t.Errorf("entry\n got %s\nwant %s", got, want)
	}
	if want := "acked at 12.031 s, not seen by the end of the drain"; v.Why != want {
		t.Errorf("why %q, want %q", v.Why, want)
	}
}
