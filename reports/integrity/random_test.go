package integrity

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

// history of a stream, drawn at random.
type drawn struct {
	config Config
	ended  []reports.Ended
	seen   []drivers.Delivery
}

func draw(t *rapid.T) *drawn {
	h := &drawn{config: Config{
		Stream: "orders", Identity: us, Windows: windows, EvidencePerKind: 1 << 20,
		Mode:  rapid.SampledFrom([]Mode{Effect, Log}).Draw(t, "mode"),
		Order: rapid.SampledFrom([]Order{None, Sequential, RealTime}).Draw(t, "order"),
	}}
	if keys := rapid.Uint64Range(0, 3).Draw(t, "keys"); keys > 0 {
		h.config.KeyOf = func(seq uint64) uint64 { return drivers.KeyOf(1, seq, keys) }
	}
	h.config.Producers = rapid.Uint64Range(0, 3).Draw(t, "producers")
	h.drawEnded(t)
	h.drawSeen(t)
	return h
}

func (h *drawn) drawEnded(t *rapid.T) {
	outcomes := []drivers.Outcome{ack, ack, ack, ack, rej, ind, drp}
	due := -2 * time.Second
	// Operations around a border of pages, where bits change hands.
	base := rapid.SampledFrom([]uint64{0, pages.Size - 20}).Draw(t, "base")
	for i := range rapid.Uint64Range(0, 60).Draw(t, "operations") {
		due += time.Duration(rapid.IntRange(0, 1500).Draw(t, "gap")) * time.Millisecond
		e := op(base+i, 0, rapid.SampledFrom(outcomes).Draw(t, "outcome"))
		e.Op.Planned, e.Window = due, windowAt(due)
		if e.Outcome != drp {
			e.Sent = due + time.Duration(rapid.IntRange(0, 100).Draw(t, "lag"))*time.Millisecond
			e.Done = e.Sent + time.Duration(rapid.IntRange(0, 3000).Draw(t, "service"))*time.Millisecond
		}
		if e.Outcome == ack && rapid.Bool().Draw(t, "placed") {
			e.Trail = []drivers.Attempt{{Number: 1, Outcome: ack,
				Position: drivers.PositionIn(rapid.Int32Range(0, 2).Draw(t, "ack partition"), rapid.Int64Range(0, 40).Draw(t, "ack offset"))}}
		}
		h.ended = append(h.ended, e)
	}
}

func (h *drawn) drawSeen(t *rapid.T) {
	next := map[int32]int64{}
	partitions := rapid.Int32Range(1, 3).Draw(t, "partitions")
	keyed := rapid.Bool().Draw(t, "a key lives in one partition")
	queue := rapid.IntRange(0, 3).Draw(t, "queue") == 0
	now := -2 * time.Second
	for range rapid.IntRange(0, 90).Draw(t, "deliveries") {
		now += time.Duration(rapid.IntRange(0, 700).Draw(t, "pause")) * time.Millisecond
		what := rapid.IntRange(0, 11).Draw(t, "what")
		if what == 0 && len(h.seen) > 0 { // the same record again
			d := h.seen[rapid.IntRange(0, len(h.seen)-1).Draw(t, "again")]
			d.At, d.Redelivered = now, queue || rapid.Bool().Draw(t, "marked")
			h.seen = append(h.seen, d)
			continue
		}
		d := drivers.Delivery{At: now}
		seq := h.drawSeq(t, what)
		partition := int32(rapid.Uint64().Draw(t, "partition") % uint64(partitions))
		if keyed && h.config.KeyOf != nil {
			partition = int32(h.config.KeyOf(seq) % uint64(partitions))
		}
		if !queue {
			d.Position = drivers.PositionIn(partition, next[partition])
		}
		next[partition] += rapid.Int64Range(1, 3).Draw(t, "step")
		d.ID = us.Append(nil, seq)
		switch rapid.IntRange(0, 20).Draw(t, "identity") {
		case 0:
			d.ID = nil
		case 1:
			d.ID = theirs.Append(nil, seq)
		}
		switch rapid.IntRange(0, 3).Draw(t, "origin") {
		case 0:
			d.Origin = fmt.Appendf(nil, "%d/%d", rapid.IntRange(0, 1).Draw(t, "from"), rapid.IntRange(0, 40).Draw(t, "number"))
		case 1:
			d.Origin = fmt.Appendf(nil, "message %d", rapid.IntRange(0, 40).Draw(t, "number"))
		}
		h.seen = append(h.seen, d)
	}
}

// drawSeq picks an operation: mostly one that ended, sometimes one that was never planned, near or far.
func (h *drawn) drawSeq(t *rapid.T, what int) uint64 {
	switch {
	case what == 1:
		return rapid.SampledFrom([]uint64{77, 5000, 1 << 21, 1 << 40, 1<<64 - 1}).Draw(t, "invented")
	case len(h.ended) == 0 || what == 2:
		return rapid.Uint64Range(0, 70).Draw(t, "near")
	}
	return h.ended[rapid.IntRange(0, len(h.ended)-1).Draw(t, "operation")].Op.Seq
}

// deliver hands the history over in a random interleaving: ends shuffled and in batches, deliveries in their order.
func (h *drawn) deliver(t *rapid.T, l *Ledger) {
	ends, seen := slices.Clone(h.ended), h.seen
	ends = rapid.Permutation(ends).Draw(t, "ends")
	h.ended = ends
	for len(ends)+len(seen) > 0 {
		n := rapid.IntRange(0, min(8, len(ends))).Draw(t, "ended batch")
		l.Ended(ends[:n])
		m := rapid.IntRange(0, min(8, len(seen))).Draw(t, "seen batch")
		l.Seen(seen[:m])
		ends, seen = ends[n:], seen[m:]
	}
}

func (h *drawn) reference() *reference {
	r := &reference{config: h.config, ended: make(map[uint64]reports.Ended), seen: h.seen, arrivals: h.ended}
	for _, e := range h.ended {
		r.ended[e.Op.Seq] = e
	}
	return r
}

// TestAgreesWithReference: for any history and any order of its events, every count agrees with the reference.
func TestAgreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := draw(t)
		l := New(h.config)
		h.deliver(t, l)
		want, split := h.reference().counts(windowAt)
		live, settled := l.Live(), l.Settled()
		got := l.result(reports.Completeness{Known: true}, windowAt)
		h.compare(t, got, want, split)
		h.evidence(t, got)
		if live.Acked-live.Unseen+live.Phantom > live.Seen || live.Unseen != *got.Total.Lost || live.Duplicates != *duplicates(got.Total) || settled != (*got.Total.Lost == 0) {
			t.Errorf("live %+v, settled %v, total %s", live, settled, countsText(got.Total, nil))
		}
	})
}

func duplicates(i *reports.Integrity) *int64 {
	if i.LogDuplicates != nil {
		return i.LogDuplicates
	}
	return i.EffectDuplicates
}

func (h *drawn) measured(name string) bool {
	switch name {
	case "log_duplicates", "ack_collisions":
		return h.config.Mode == Log
	case "effect_duplicates":
		return h.config.Mode == Effect
	case "order_violations":
		return h.config.Order == Sequential || h.config.Order == RealTime && h.config.KeyOf != nil
	case "regressions":
		return h.config.Order == Sequential
	}
	return true
}

func (h *drawn) compare(t tester, got Result, want tally, split bool) {
	for w, window := range windows {
		for _, name := range countNames {
			n, expected := count(got.Windows[window], name), want[w][name]
			ordered := name == "order_violations" || name == "regressions"
			switch {
			case !h.measured(name), split && ordered && expected == 0:
				if n != nil {
					t.Errorf("%s in %s is %d, want null", name, window, *n)
				}
			case n == nil || *n != expected:
				t.Errorf("%s in %s is %s, want %d", name, window, text(n), expected)
			}
		}
	}
	if _, unknown := got.Unknown["order_violations"]; h.measured("order_violations") && unknown != split {
		t.Errorf("order unknown: %v (%s), want %v", unknown, got.Unknown["order_violations"], split)
	}
	addUp(t, got)
}

func text(n *int64) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(*n)
}

// evidence checks that each anomaly that is counted by operation has one entry, in its window.
func (h *drawn) evidence(t tester, r Result) {
	entries := make(map[string]int64)
	for _, v := range r.Violations {
		entries[v.Kind+" in "+v.Window]++
	}
	names := map[string]string{"lost": "lost", "phantom": "phantom", "unexpected": "unexpected", "log_duplicates": "log_duplicate",
		"effect_duplicates": "effect_duplicate", "order_violations": "order_violation", "ack_collisions": "ack_collision"}
	for _, window := range windows {
		for name, kind := range names {
			if n := count(r.Windows[window], name); n != nil && *n != entries[kind+" in "+window] {
				t.Errorf("%d of %s in %s, and %d entries", *n, name, window, entries[kind+" in "+window])
			}
		}
	}
}
