package reports

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestResolution(t *testing.T) {
	for seconds, want := range map[int]int{0: 1, 60: 1, 3600: 1, 3601: 2, 7200: 2, 7201: 5, 86400: 30, 30 * 86400: 900, 3600 * 3600: 3600, 3600*3600 + 1: 7200} {
		if got := Resolution(seconds); got != want {
			t.Errorf("%d seconds have rows of %d s, want %d", seconds, got, want)
		}
	}
}

// longRun is a run of so many seconds, in some of which nothing was offered, or not all was answered.
func longRun(seconds int) *Run {
	random := rand.New(rand.NewPCG(1, 2))
	s := &Stream{Gauges: make(map[string][]Sample)}
	r := &Run{DurationNS: int64(seconds) * int64(time.Second), Streams: map[string]*Stream{"orders": s}, Links: map[string]*Link{"a->b": {}}}
	for i := range seconds {
		at := int64(i) * int64(time.Second)
		row := Second{StartNS: at, Limited: i == 77}
		if n := random.Int64N(5); n > 0 {
			row.Counts = Counts{Offered: n, Sent: n, Acked: n - 1, Rejected: 1, Attempts: n}
			p50 := 1 + random.Int64N(100)
			p99 := p50 + random.Int64N(100)
			row.P50NS, row.MaxNS = &p50, new(p99+1)
			if i%500 != 3 {
				row.P99NS = &p99
			}
		}
		s.Seconds = append(s.Seconds, row)
		s.Gauges["depth"] = append(s.Gauges["depth"], Sample{AtNS: at, Value: random.Float64()})
		r.Links["a->b"].Seconds = append(r.Links["a->b"].Seconds, LinkSecond{StartNS: at, Requests: 3, Answered: 2})
		r.Machine = append(r.Machine, MachineSecond{StartNS: at, Used: 2, Busy: i == 9, ThrottledNS: new(int64(5))})
	}
	return r
}

// A day's record stays within the contract. Its sums are those of the seconds, and its times the largest of them.
func TestCoarsen(t *testing.T) {
	const day = 24 * 3600
	fine, run := longRun(day), longRun(day)
	run.Coarsen()
	s := run.Streams["orders"]
	if len(s.Seconds) != day/30 || s.ResolutionNS != int64(30*time.Second) || len(run.Machine) != day/30 || len(run.Links["a->b"].Seconds) != day/30 {
		t.Fatalf("%d rows of %d ns, %d of the machine, %d of the link", len(s.Seconds), s.ResolutionNS, len(run.Machine), len(run.Links["a->b"].Seconds))
	}
	for i := range s.Seconds {
		row, want := &s.Seconds[i], Second{StartNS: int64(i) * int64(30*time.Second)}
		hung := false
		for _, one := range fine.Streams["orders"].Seconds[i*30 : (i+1)*30] {
			want.Counts.Add(one.Counts)
			want.Limited = want.Limited || one.Limited
			hung = hung || one.Offered > 0 && one.P99NS == nil
			if one.P99NS != nil {
				want.P99NS = new(max(*one.P99NS, pointedAt(want.P99NS)))
			}
			if one.MaxNS != nil {
				want.MaxNS = new(max(*one.MaxNS, pointedAt(want.MaxNS)))
			}
		}
		if row.StartNS != want.StartNS || row.Counts != want.Counts || row.Limited != want.Limited || pointedAt(row.MaxNS) != pointedAt(want.MaxNS) {
			t.Fatalf("row %d is %+v, want %+v", i, row, want)
		}
		if hung != (row.P99NS == nil) || !hung && *row.P99NS != *want.P99NS {
			t.Fatalf("row %d has p99 %v, want %v (hung: %v)", i, row.P99NS, want.P99NS, hung)
		}
	}
	if m := run.Machine[0]; m.Used < 1.999 || m.Used > 2.001 || !m.Busy || *m.ThrottledNS != 150 || run.Machine[1].Busy {
		t.Errorf("the machine's first row is %+v", m)
	}
	if l := run.Links["a->b"].Seconds[1]; l != (LinkSecond{StartNS: int64(30 * time.Second), Requests: 90, Answered: 60}) {
		t.Errorf("the link's second row is %+v", l)
	}
	low, high := extremes(s.Gauges["depth"])
	wantLow, wantHigh := extremes(fine.Streams["orders"].Gauges["depth"])
	if n := len(s.Gauges["depth"]); n > maxRows || low != wantLow || high != wantHigh {
		t.Errorf("%d readings from %g to %g, want %g to %g", n, low, high, wantLow, wantHigh)
	}
	rows := len(s.Seconds)
	run.Coarsen()
	if len(s.Seconds) != rows || s.Seconds[0].Counts != run.Streams["orders"].Seconds[0].Counts {
		t.Error("coarsening again changes the record")
	}
}

func TestAnHourStaysAsItIs(t *testing.T) {
	run := longRun(3600)
	run.Coarsen()
	if s := run.Streams["orders"]; len(s.Seconds) != 3600 || s.ResolutionNS != 0 || len(s.Gauges["depth"]) != 3600 {
		t.Errorf("%d rows of %d ns", len(s.Seconds), s.ResolutionNS)
	}
}

func extremes(samples []Sample) (low, high float64) {
	low, high = samples[0].Value, samples[0].Value
	for _, s := range samples {
		low, high = min(low, s.Value), max(high, s.Value)
	}
	return low, high
}
