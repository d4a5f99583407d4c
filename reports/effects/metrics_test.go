package effects

import (
	"math"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

func TestTimesOfEffectsAreLowerBounds(t *testing.T) {
	c := &Cell{Unknown: 40}
	c.Times.RecordMany(30*time.Millisecond, 60)
	for name, want := range map[string]time.Duration{"p50": 30 * time.Millisecond, "p99": 30 * time.Millisecond, "max": 30 * time.Millisecond, "mean": 18 * time.Millisecond} {
		if r := readTime(name, c); math.Abs(r.Value-float64(want)) > 0.002*float64(want) || r.Missing != "" {
			t.Errorf("%s is at least %s (%s), want %s", name, time.Duration(r.Value), r.Missing, want)
		}
	}
	c.Unknown = 70
	if r := readTime("p50", c); r.Value > 1e3 {
		t.Errorf("p50 is at least %s: most is not known", time.Duration(r.Value))
	}
	if r := readTime("p50", &Cell{}); r.Missing == "" {
		t.Error("a time of nothing")
	}
	if r := readTime("mean", &Cell{Lost: 1}); !math.IsInf(r.Value, 1) {
		t.Errorf("the mean of what was never seen is %g", r.Value)
	}
}

// readTime reads one of Metrics from a cell.
func readTime(name string, c *Cell) metric.Reading {
	for i := range Metrics {
		if m := &Metrics[i]; m.Name == name {
			return m.Read(&metric.Facts{Metric: m, Kept: []any{c}, Measures: &reports.Measures{}})
		}
	}
	panic("no metric " + name)
}

// An event after the account is closed changes nothing, although a source may still hand deliveries over.
func TestNothingChangesAClosedAccount(t *testing.T) {
	id := drivers.Identity{Run: "r", Stream: "s"}
	a := New(Config{Identity: id, Windows: []string{"baseline"}})
	a.Ended([]reports.Ended{{Op: drivers.Op{Seq: 0}, Outcome: drivers.Acked}, {Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
	a.Seen([]drivers.Delivery{{ID: id.Append(nil, 0), At: time.Second}})
	f := a.Finish(reports.Completeness{Known: true})
	a.Seen([]drivers.Delivery{{ID: id.Append(nil, 1), At: time.Second}})
	a.Ended([]reports.Ended{{Op: drivers.Op{Seq: 2}, Outcome: drivers.Acked}})
	out := reports.Stream{Windows: map[string]*reports.Measures{"baseline": {}}}
	f.Write(&out)
	if e := out.Windows["baseline"].Effect; e.Count != 2 || e.Unseen() != 1 {
		t.Errorf("%+v", e)
	}
}
