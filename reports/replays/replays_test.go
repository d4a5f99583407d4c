package replays

import (
	"testing"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

func TestCounts(t *testing.T) {
	a := New("orders", drivers.Identity{Run: "r", Stream: "orders"}, []string{"baseline", "fault"})
	for seq := range uint64(reports.EvidenceLimit + 20) {
		op := drivers.Op{Seq: 1000 - seq, Keyed: true, Key: 7}
		a.Replayed(1, &op, drivers.ReplaySame, &drivers.Replay{Judgement: drivers.ReplayViolation, Why: "another result"})
	}
	a.Replayed(0, &drivers.Op{}, drivers.ReplayChanged, &drivers.Replay{Judgement: drivers.ReplayHonoured})
	a.Replayed(0, &drivers.Op{}, drivers.ReplayChanged, &drivers.Replay{})
	a.ReplaySkipped(0)
	f := a.Finish(reports.Completeness{Known: true})
	out := reports.Stream{Windows: map[string]*reports.Measures{"baseline": {}}} // the fault was not reached
	f.Write(&out)
	for name, want := range map[string][2]int64{
		"replays": {122, 2}, "replay_violations": {120, 0}, "replays_undecided": {1, 1}, "replays_skipped": {1, 1}, "replay_deviations": {0, 0},
	} {
		if total, base := *out.Total.Count(name), *out.Windows["baseline"].Count(name); total != want[0] || base != want[1] {
			t.Errorf("%s: %d in total and %d in the baseline, want %v", name, total, base, want)
		}
	}
	if n := len(f.Violations); n != reports.EvidenceLimit {
		t.Errorf("%d pieces of evidence of one kind and window, want %d", n, reports.EvidenceLimit)
	}
	for i := 1; i < len(f.Violations); i++ {
		if f.Violations[i-1].Seq >= f.Violations[i].Seq {
			t.Fatalf("the evidence is not in order: %d before %d", f.Violations[i-1].Seq, f.Violations[i].Seq)
		}
	}
}

// A replay that was never sent, or never decided, shows nothing.
func TestUntested(t *testing.T) {
	violations := &Metrics[1]
	for name, c := range map[string]struct {
		kinds   map[string]reports.ReplayCounts
		missing string
	}{
		"none":          {nil, "nothing was replayed"},
		"none decided":  {map[string]reports.ReplayCounts{"same": {Sent: 3, Undecided: 3}, "changed": {Sent: 1, Honoured: 1}}, "no same replay was decided"},
		"some decided":  {map[string]reports.ReplayCounts{"same": {Sent: 3, Undecided: 2, Honoured: 1}}, ""},
		"some violated": {map[string]reports.ReplayCounts{"same": {Sent: 1, Violations: 1}, "changed": {Sent: 1, Undecided: 1}}, ""},
	} {
		r := violations.Read(&metric.Facts{Metric: violations, Measures: &reports.Measures{Replays: reports.NewReplays(c.kinds, 0)}})
		if r.Missing != c.missing {
			t.Errorf("%s: missing %q, want %q", name, r.Missing, c.missing)
		}
	}
}
