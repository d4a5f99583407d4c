package effects

import (
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

var identity = drivers.Identity{Run: "r1", Stream: "orders"}

const ms = time.Millisecond

// story hands events to an account, one event a batch.
type story struct{ *Account }

func begin(lim limits) story {
	return story{newAccount(Config{Identity: identity, Windows: []string{"baseline", "slow"}}, lim)}
}

func (s story) end(seq uint64, planned time.Duration, window int, o drivers.Outcome) {
	s.Ended([]reports.Ended{{Op: drivers.Op{Seq: seq, Planned: planned}, Window: window, Outcome: o}})
}

func (s story) see(seq uint64, at time.Duration) {
	s.Seen([]drivers.Delivery{{ID: identity.Append(nil, seq), At: at}})
}

// only checks that a cell holds this one time, and nothing else.
func only(t *testing.T, c *Cell, want time.Duration) {
	t.Helper()
	if c.Times.Count() != 1 || c.Lost != 0 || c.Unknown != 0 {
		t.Fatalf("%d times, %d lost, %d unknown; want one time", c.Times.Count(), c.Lost, c.Unknown)
	}
	if got, _ := c.Times.Rank(1, 1); got < want-want/500 || got > want+want/500 {
		t.Errorf("it took %s, want %s", got, want)
	}
}

func TestTimeRunsFromPlannedStartToFirstSighting(t *testing.T) {
	for name, deliver := range map[string]func(story){
		"seen after the end":  func(s story) { s.end(0, 100*ms, 1, drivers.Acked); s.see(0, 350*ms) },
		"seen before the end": func(s story) { s.see(0, 350*ms); s.end(0, 100*ms, 1, drivers.Acked) },
		"copies after":        func(s story) { s.end(0, 100*ms, 1, drivers.Acked); s.see(0, 350*ms); s.see(0, 500*ms) },
		"copies before": func(s story) {
			s.see(0, 350*ms)
			s.see(0, 400*ms)
			s.end(0, 100*ms, 1, drivers.Acked)
			s.see(0, 500*ms)
		},
		"indeterminate":       func(s story) { s.end(0, 100*ms, 1, drivers.Indeterminate); s.see(0, 350*ms) },
		"seen, indeterminate": func(s story) { s.see(0, 350*ms); s.end(0, 100*ms, 1, drivers.Indeterminate) },
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(usual)
			deliver(s)
			r := s.result("")
			only(t, r.Windows["slow"], 250*ms)
			only(t, &r.Total, 250*ms)
			if n := r.Windows["baseline"].Count(); n != 0 {
				t.Errorf("%d in the other window", n)
			}
			if r.Total.Latest != 350*ms || r.Why != "" {
				t.Errorf("latest %s, why %q", r.Total.Latest, r.Why)
			}
		})
	}
}

func TestWhatDoesNotCount(t *testing.T) {
	for name, o := range map[string]struct {
		window  int
		outcome drivers.Outcome
		seen    bool
	}{
		"rejected":                        {0, drivers.Rejected, false},
		"rejected, yet seen":              {0, drivers.Rejected, true},
		"dropped":                         {0, drivers.Unknown, false},
		"dropped, yet seen":               {0, drivers.Unknown, true},
		"indeterminate, and not seen":     {0, drivers.Indeterminate, false},
		"of the warm-up, acked":           {reports.WindowWarmup, drivers.Acked, false},
		"of the warm-up, acked, and seen": {reports.WindowWarmup, drivers.Acked, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				s := begin(usual)
				if o.seen && first {
					s.see(3, 50*ms)
				}
				s.end(3, -10*ms, o.window, o.outcome)
				if o.seen && !first {
					s.see(3, 50*ms)
				}
				if r := s.result(""); r.Total.Count() != 0 || r.Total.Measures() != nil {
					t.Errorf("%d counted: %+v", r.Total.Count(), r.Total)
				}
			}
		})
	}
}

func TestForeignRecordsAreNobodys(t *testing.T) {
	s := begin(usual)
	s.end(0, 0, 0, drivers.Acked)
	s.Seen([]drivers.Delivery{{ID: []byte("r2.orders.0"), At: ms}, {At: ms}, {ID: []byte("r1.orders.00"), At: ms}})
	if r := s.result(""); r.Total.Lost != 1 || r.Total.Times.Count() != 0 {
		t.Errorf("%+v", r.Total)
	}
}

// An acked operation without an effect is slower than every other: one of ten leaves no p99, and an infinite mean.
func TestLostEffectIsNoGoodTime(t *testing.T) {
	s := begin(usual)
	for seq := range uint64(10) {
		s.end(seq, 0, 0, drivers.Acked)
		if seq != 7 {
			s.see(seq, 20*ms)
		}
	}
	r := s.result("")
	m := r.Total.Measures()
	if r.Total.Lost != 1 || m.P99 != nil || m.P90 == nil || *m.Unanswered != 1 || m.Count != 10 || m.Unknown != 0 {
		t.Errorf("lost %d, %+v", r.Total.Lost, m)
	}
	if p50, p99 := r.Second(0); p50 == nil || p99 != nil {
		t.Errorf("the second's p50 %v, p99 %v", p50, p99)
	}
}

func TestObservationCutShort(t *testing.T) {
	s := begin(usual)
	s.end(0, 0, 0, drivers.Acked)
	s.end(1, 0, 0, drivers.Acked)
	s.end(2, 0, 0, drivers.Indeterminate)
	s.end(3, 0, 1, drivers.Acked)
	s.see(0, 20*ms)
	s.see(3, 30*ms)
	r := s.result("cut short")
	if b := r.Windows["baseline"]; b.Lost != 0 || b.Unknown != 2 || b.Times.Count() != 1 || r.Why != "cut short" {
		t.Errorf("lost %d, unknown %d, %d times, why %q", b.Lost, b.Unknown, b.Times.Count(), r.Why)
	}
	only(t, r.Windows["slow"], 30*ms)
	if m := r.Total.Measures(); m.Unknown != 2 || *m.Unanswered != 2 || m.Count != 4 || m.P90 != nil {
		t.Errorf("%+v", m)
	}
	// The lower bounds take an unknown time as zero.
	low := r.Total.AtLeast()
	if d, ok := low.Rank(0.5, r.Total.Count()); !ok || d > time.Microsecond {
		t.Errorf("p50 is at least %s, %v", d, ok)
	}
	if d, ok := low.Rank(0.75, r.Total.Count()); !ok || d < 19*ms || d > 21*ms {
		t.Errorf("p75 is at least %s, %v", d, ok)
	}
}

// Room for two in the ring and one beside: the fourth operation that waits drops another, whose time is then unknown.
func TestBoundOfWhatWaits(t *testing.T) {
	tight := limits{ring: 2, waiting: 1, horizon: 100, seconds: 4}
	for name, deliver := range map[string]func(s story, seq uint64){
		"ends":      func(s story, seq uint64) { s.end(seq, 0, 0, drivers.Acked) },
		"sightings": func(s story, seq uint64) { s.see(seq, 20*ms) },
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(tight)
			for seq := range uint64(4) {
				deliver(s, seq)
			}
			for seq := range uint64(4) {
				if name == "ends" {
					s.see(seq, 20*ms)
				} else {
					s.end(seq, 0, 0, drivers.Acked)
				}
			}
			r := s.result("")
			if r.Total.Times.Count() != 3 || r.Total.Unknown != 1 || r.Total.Lost != 0 || !strings.Contains(r.Why, "more than 1 ") {
				t.Errorf("%d times, %d unknown, %d lost, why %q", r.Total.Times.Count(), r.Total.Unknown, r.Total.Lost, r.Why)
			}
		})
	}
}

// A target that invents numbers fills no memory. An operation that gets such a number later has no time.
func TestSightingsFarAheadAreNotBelieved(t *testing.T) {
	s := begin(limits{ring: 8, waiting: 8, horizon: 10, seconds: 4})
	s.see(12, ms)
	s.see(1<<60, ms)
	if n := s.pages.Len(); n > 1 {
		t.Fatalf("%d pages", n)
	}
	for seq := range uint64(14) {
		s.end(seq, 0, 0, drivers.Acked)
	}
	s.see(11, 20*ms)
	s.see(13, 20*ms)
	for seq := range uint64(11) {
		s.see(seq, 20*ms)
	}
	if r := s.result(""); r.Total.Times.Count() != 12 || r.Total.Unknown != 2 || r.Total.Lost != 0 || !strings.Contains(r.Why, "ahead") {
		t.Errorf("%d times, %d unknown, %d lost, why %q", r.Total.Times.Count(), r.Total.Unknown, r.Total.Lost, r.Why)
	}
}

func TestSightingBeforeItWasDueIsNoTime(t *testing.T) {
	for _, first := range []bool{true, false} {
		s := begin(usual)
		if first {
			s.see(0, 10*ms)
		}
		s.end(0, 50*ms, 0, drivers.Acked)
		if !first {
			s.see(0, 10*ms)
		}
		if r := s.result(""); r.Total.Unknown != 1 || r.Total.Times.Count() != 0 || !strings.Contains(r.Why, "before") {
			t.Errorf("%d unknown, %d times, why %q", r.Total.Unknown, r.Total.Times.Count(), r.Why)
		}
	}
}

// The percentiles of a second stay when its histogram is dropped. Those that fell among the missing stay unknown.
func TestSecondsOutliveTheirHistograms(t *testing.T) {
	s := begin(limits{ring: 1 << 10, waiting: 1 << 10, horizon: 1 << 10, seconds: 2})
	for seq := range uint64(100) {
		s.end(seq, time.Duration(seq/10)*time.Second, 0, drivers.Acked)
		if seq%10 < 8 {
			s.see(seq, time.Duration(seq/10)*time.Second+time.Duration(10+seq%10)*ms)
		}
	}
	for i := range 7 { // too late for their second only
		s.see(uint64(10*i+8), 20*time.Second)
	}
	// A second to which another operation turns out to belong has no percentiles any more.
	s.end(200, 3*time.Second, 0, drivers.Acked)
	s.see(201, 4*time.Second)
	s.end(201, 4*time.Second, 0, drivers.Indeterminate)
	r := s.result("")
	for i := range 10 {
		p50, p99 := r.Second(time.Duration(i) * time.Second)
		if spoilt := i == 3 || i == 4; spoilt != (p50 == nil) || p99 != nil {
			t.Errorf("second %d: p50 %v, p99 %v", i, p50, p99)
		}
	}
	for i := range s.seconds.all {
		if h := s.seconds.all[i].times.Export(); i < 8 && h != nil {
			t.Errorf("second %d keeps its histogram", i)
		}
	}
	if p50, p99 := r.Second(time.Hour); p50 != nil || p99 != nil {
		t.Error("percentiles of a second in which nothing was due")
	}
}

// Pages whose operations are all over and seen take no memory.
func TestWholePagesAreFree(t *testing.T) {
	s := begin(usual)
	for seq := range uint64(3 * pages.Size) {
		s.end(seq, 0, 0, drivers.Acked)
		s.see(seq, ms)
	}
	s.pages.Each(func(first uint64, p *page) {
		if p.ended != pages.Full || p.seen != pages.Full {
			t.Errorf("the page from %d on keeps its bits", first)
		}
	})
	s.see(5, 2*ms)
	if r := s.result(""); r.Total.Times.Count() != 3*pages.Size {
		t.Errorf("%d times", r.Total.Times.Count())
	}
}
