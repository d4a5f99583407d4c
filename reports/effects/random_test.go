package effects

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
)

// event is an end or a sighting.
type event struct {
	end  *reports.Ended
	seen *drivers.Delivery
}

// history draws operations, their sightings and the order in which an account gets both.
func history(t *rapid.T) []event {
	var events []event
	n := rapid.Uint64Range(0, 60).Draw(t, "operations")
	for seq := range n {
		planned := time.Duration(rapid.IntRange(0, 5000).Draw(t, "planned")) * ms
		e := &reports.Ended{Op: drivers.Op{Seq: seq, Planned: planned}, Window: rapid.IntRange(-1, 1).Draw(t, "window")}
		e.Outcome = rapid.SampledFrom([]drivers.Outcome{drivers.Acked, drivers.Acked, drivers.Acked, drivers.Indeterminate, drivers.Rejected, drivers.Unknown}).Draw(t, "outcome")
		if e.Window == reports.WindowWarmup {
			e.Op.Planned -= 6 * time.Second
		}
		events = append(events, event{end: e})
		for range rapid.IntRange(0, 3).Draw(t, "sightings") {
			at := e.Op.Planned + time.Duration(rapid.IntRange(0, 9000).Draw(t, "took"))*ms
			events = append(events, event{seen: &drivers.Delivery{ID: identity.Append(nil, seq), At: at}})
		}
	}
	return rapid.Permutation(events).Draw(t, "order")
}

// deliver hands the events over in their order, consecutive ones of a kind in batches.
func deliver(t *rapid.T, a *Account, events []event) {
	var ends []reports.Ended
	var seen []drivers.Delivery
	for _, e := range events {
		if e.end != nil {
			ends = append(ends, *e.end)
		} else {
			seen = append(seen, *e.seen)
		}
		if cut := rapid.Bool().Draw(t, "cut"); cut || len(ends) > 0 && len(seen) > 0 {
			if e.end != nil {
				a.Seen(seen)
				a.Ended(ends)
			} else {
				a.Ended(ends)
				a.Seen(seen)
			}
			ends, seen = nil, nil
		}
	}
	a.Ended(ends)
	a.Seen(seen)
}

// truth is the correct result, by window: the times, with the longest of all for each lost effect.
type truth struct {
	times   []time.Duration
	unknown int // not seen, though the absence is not certain
}

const never = time.Duration(math.MaxInt64)

func reference(events []event, whole bool) map[int]*truth {
	first := make(map[uint64]time.Duration)
	for _, e := range events {
		if e.seen == nil {
			continue
		}
		seq, _ := identity.Parse(e.seen.ID)
		if _, again := first[seq]; !again {
			first[seq] = e.seen.At
		}
	}
	all := map[int]*truth{0: {}, 1: {}}
	for _, e := range events {
		if e.end == nil || e.end.Window == reports.WindowWarmup {
			continue
		}
		w := all[e.end.Window]
		at, seen := first[e.end.Op.Seq]
		acked := e.end.Outcome == drivers.Acked
		switch {
		case !acked && e.end.Outcome != drivers.Indeterminate:
		case seen:
			w.times = append(w.times, at-e.end.Op.Planned)
		case !whole:
			w.unknown++
		case acked:
			w.times = append(w.times, never)
		}
	}
	for _, w := range all {
		slices.Sort(w.times)
	}
	return all
}

// ranked is the value of that quantile, the nearest rank.
func ranked(times []time.Duration, q float64) time.Duration {
	return times[max(int(math.Ceil(q*float64(len(times))-1e-9)), 1)-1]
}

func about(a, b time.Duration) bool {
	return math.Abs(float64(a-b)) <= 0.001*float64(b)+float64(2*time.Microsecond)
}

var quantiles = []float64{0.5, 0.9, 0.99, 1}

// With enough room the account is the truth, for any order of the events.
func TestAccountAgreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		whole := rapid.Bool().Draw(t, "whole")
		a := newAccount(Config{Identity: identity, Windows: []string{"baseline", "slow"}}, limits{ring: 4, waiting: 1000, horizon: 1000, seconds: 2})
		deliver(t, a, events)
		incomplete := "cut short"
		if whole {
			incomplete = ""
		}
		r := a.result(incomplete)
		for i, name := range a.config.Windows {
			want, got := reference(events, whole)[i], r.Windows[name]
			lost := 0
			for _, d := range want.times {
				if d == never {
					lost++
				}
			}
			if int(got.Lost) != lost || int(got.Unknown) != want.unknown || int(got.Times.Count()) != len(want.times)-lost {
				t.Fatalf("%s: %d times, %d lost, %d unknown; want %d, %d, %d", name, got.Times.Count(), got.Lost, got.Unknown, len(want.times)-lost, lost, want.unknown)
			}
			if want.unknown > 0 || len(want.times) == 0 {
				continue
			}
			for _, q := range quantiles {
				d, ok := got.Times.Rank(q, got.Count())
				if truly := ranked(want.times, q); ok != (truly != never) || ok && !about(d, truly) {
					t.Fatalf("%s: quantile %g is %s, %v; want %s", name, q, d, ok, truly)
				}
			}
		}
	})
}

// With too little room the truth lies between the bounds: at least AtLeast's value, at most the record's.
func TestBoundsHoldTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		lim := limits{ring: 2, waiting: rapid.IntRange(0, 3).Draw(t, "waiting"), horizon: rapid.Uint64Range(4, 100).Draw(t, "horizon"), seconds: 2}
		a := newAccount(Config{Identity: identity, Windows: []string{"baseline", "slow"}}, lim)
		deliver(t, a, events)
		r := a.result("")
		for i, name := range a.config.Windows {
			want, got := reference(events, true)[i], r.Windows[name]
			if got.Unknown == 0 && int(got.Count()) != len(want.times) || int(got.Count()) < len(want.times) {
				t.Fatalf("%s: %d count, %d unknown; in truth %d", name, got.Count(), got.Unknown, len(want.times))
			}
			if (r.Total.Unknown > 0) != (r.Why != "") {
				t.Fatalf("%d unknown, and why is %q", r.Total.Unknown, r.Why)
			}
			if len(want.times) == 0 {
				continue
			}
			for _, q := range quantiles {
				truly := ranked(want.times, q)
				if low, ok := got.AtLeast().Rank(q, got.Count()); !ok && truly != never || ok && low > truly && !about(low, truly) {
					t.Fatalf("%s: quantile %g is at least %s (%v), in truth %s", name, q, low, ok, truly)
				}
				if high, ok := got.Times.Rank(q, got.Count()); ok && high < truly && !about(high, truly) {
					t.Fatalf("%s: quantile %g is at most %s, in truth %s", name, q, high, truly)
				}
			}
		}
	})
}
