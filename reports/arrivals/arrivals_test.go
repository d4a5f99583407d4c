package arrivals

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

var config = Config{Stream: "s", Identity: drivers.Identity{Run: "r1", Stream: "s"}, Windows: []string{"baseline", "fault"}}

func mark(seq uint64) drivers.Mark { return drivers.Mark{Seq: seq, Ours: true} }

// end makes the end of an operation that was sent that many times.
func end(seq uint64, window, sent int) reports.Ended {
	e := reports.Ended{Op: drivers.Op{Seq: seq}, Window: window, Outcome: drivers.Acked}
	for range sent {
		e.Trail = append(e.Trail, drivers.Attempt{Wire: true, Outcome: drivers.Indeterminate, Code: drivers.CodeTimeout})
	}
	e.Trail = append(e.Trail, drivers.Attempt{Outcome: drivers.Rejected, Code: drivers.CodeRefused}) // never on the wire
	return e
}

// The account agrees with one kept by hand, for any order of the events.
func TestAgainstAPlainAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account := New(config)
		type plainly struct{ counts [kinds]int64 }
		operations := rapid.SampledFrom([]int{3, 50, pages.Size + 5}).Draw(t, "operations")
		varied := rapid.IntRange(0, 20).Draw(t, "varied")
		want := make([]cell, len(config.Windows)+1)
		var events []func()
		for seq := range uint64(operations) {
			n := plainly{[kinds]int64{1, 1, 1, 1}}
			window := int(seq) * len(config.Windows) / operations
			if int(seq) < varied {
				n.counts[sent] = int64(rapid.IntRange(0, 5).Draw(t, "sent"))
				n.counts[arrived] = int64(rapid.IntRange(0, 5).Draw(t, "arrived"))
				n.counts[whole] = int64(rapid.IntRange(0, int(n.counts[arrived])).Draw(t, "whole"))
				n.counts[answered] = int64(rapid.IntRange(0, int(n.counts[whole])).Draw(t, "answered"))
				window = rapid.IntRange(reports.WindowWarmup, 1).Draw(t, "window")
			}
			want[window+1].take(&n.counts)
			for range n.counts[arrived] {
				events = append(events, func() { account.Arrived(mark(seq), 1, time.Duration(seq)) })
			}
			for range n.counts[whole] {
				events = append(events, func() { account.Whole(mark(seq)) })
			}
			for range n.counts[answered] {
				events = append(events, func() { account.Answered(mark(seq)) })
			}
			events = append(events, func() { account.Ended([]reports.Ended{end(seq, window, int(n.counts[sent]))}) })
		}
		// Swaps within a short distance give enough disorder at low cost.
		for i := range min(len(events)-1, 60) {
			j := rapid.IntRange(i, min(len(events)-1, i+20)).Draw(t, "swap")
			events[i], events[j] = events[j], events[i]
		}
		for _, e := range events {
			e()
		}
		account.Arrived(drivers.Mark{Seq: 1, Ours: true, Replay: true}, 1, 0)
		r := account.result()
		var total cell
		for i, name := range config.Windows {
			total.add(&want[i+1])
			same(t, name, r.Windows[name], account.counted(&want[i+1]))
		}
		same(t, "total", r.Total, account.counted(&total))
		same(t, "the second window alone", r.over([]int{1}), account.counted(&want[2]))
		if r.Why != "" || len(r.Unknown) > 0 || r.Replays != 1 {
			t.Fatalf("why %q, unknown %v, replays %d", r.Why, r.Unknown, r.Replays)
		}
	})
}

func same(t interface{ Fatalf(string, ...any) }, where string, got, want *reports.Witness) {
	for _, name := range reports.WitnessNames() {
		if g, w := got.Count(name), want.Count(name); g == nil || *g != *w {
			t.Fatalf("%s: %s is %v, want %d", where, name, g, *w)
		}
	}
}

// Where the witness was blind no count is 0, and a count that may be too high is left out.
func TestBlindIsUnknown(t *testing.T) {
	account := New(config)
	account.Arrived(mark(0), 1, 0)
	account.Arrived(mark(0), 2, time.Second)
	account.Whole(mark(0))
	account.Blind("it is TLS")
	account.Blind("again")
	account.Ended([]reports.Ended{end(0, 0, 3), end(1, 1, 1)})
	r := account.result()
	w := r.Windows["baseline"]
	if *w.Arrivals != 2 || *w.ArrivedTwice != 1 || w.Answered != nil || w.NotArrived != nil || w.ArrivedCut != nil || w.HiddenArrivals != nil {
		t.Errorf("baseline: %+v", w)
	}
	if f := r.Windows["fault"]; f.Arrivals != nil || f.ArrivedTwice != nil || *f.AttemptsSent != 1 {
		t.Errorf("fault: %+v", f)
	}
	if !strings.Contains(r.Why, "it is TLS; 2 connections") || r.Unknown["arrived_twice"] != r.Why || r.Unknown["attempts_sent"] != "" {
		t.Errorf("why %q, unknown %v", r.Why, r.Unknown)
	}
}

// A mark that the target or the client invented does not fill the memory, and is reported.
func TestInventedMarks(t *testing.T) {
	account := New(config)
	account.Arrived(mark(1<<60), 1, 0)
	if r := account.result(); account.pages.Len() > 0 || !strings.Contains(r.Why, "far beyond") {
		t.Errorf("%d pages, why %q", account.pages.Len(), r.Why)
	}
}

func TestEvidence(t *testing.T) {
	account := New(config)
	for i := range 3 {
		account.Arrived(mark(7), uint64(i+1), time.Duration(i)*time.Second)
	}
	account.Arrived(mark(8), 9, 0)
	account.Arrived(mark(8), 9, 0)
	account.Ended([]reports.Ended{end(7, 1, 2), end(8, reports.WindowWarmup, 2)})
	v := account.result().Violations
	want := "arrived 3 times, 2 sent: at 0 s on connection 1, at 1 s on connection 2, at 2 s on connection 3"
	if len(v) != 1 || v[0].Kind != "arrived_twice" || v[0].Window != "fault" || v[0].Why != want || len(v[0].Attempts) != 3 || len(v[0].Arrived) == 0 || v[0].ID != "r1.s.7" {
		t.Errorf("%+v", v)
	}
}

func TestConcurrentUse(t *testing.T) {
	account := New(config)
	var all sync.WaitGroup
	for w := range uint64(4) {
		all.Go(func() {
			for i := range uint64(2 * pages.Size) {
				seq := i*4 + w
				account.Arrived(mark(seq), w, 0)
				account.Whole(mark(seq))
				account.Ended([]reports.Ended{end(seq, 0, 1)})
				account.Answered(mark(seq))
			}
		})
	}
	all.Wait()
	r := account.result()
	if n := int64(8 * pages.Size); *r.Total.Arrivals != n || *r.Total.Answered != n || *r.Total.ArrivedTwice != 0 || *r.Total.NotArrived != 0 {
		t.Error(fmt.Sprint(r.Total))
	}
	account.pages.Each(func(first uint64, p *page) {
		if !p.plain() {
			t.Errorf("the page from %d on takes memory, and its operations came once each", first)
		}
	})
}

// BenchmarkAccount is the cost of one operation that was sent, arrived and was answered once.
func BenchmarkAccount(b *testing.B) {
	account := New(config)
	batch := []reports.Ended{end(0, 0, 1)}
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		account.Arrived(mark(seq), 1, 0)
		account.Whole(mark(seq))
		account.Answered(mark(seq))
		batch[0].Op.Seq = seq
		account.Ended(batch)
		seq++
	}
}
