package judge

import (
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
)

// A gate without its saved value is inconclusive, whatever was measured. It says that it lacks nothing else only where the value is sound.
func TestUnmetSavedGates(t *testing.T) {
	const limit = "a.p99 < 1.2 x saved"
	for name, c := range map[string]struct {
		expr string
		reading
		open bool
	}{
		"measured":               {limit, reading{Reading: metric.Found(1e6)}, true},
		"with the usual lag":     {limit, reading{Reading: metric.Reading{Value: 2e6, Targets: 1e6}}, true},
		"no answer":              {limit, reading{Reading: metric.Found(metric.Infinite)}, true},
		"not sent":               {limit, reading{Reading: metric.Reading{Value: metric.Infinite, Targets: 1e6}}, false},
		"saturated":              {limit, reading{Reading: metric.Found(1e6), limited: true}, false},
		"nothing":                {limit, missing("no operations"), false},
		"a lower bound":          {"a.lost <= saved", reading{Reading: metric.Reading{AtLeast: "cut short"}}, false},
		"a share with both ends": {"a.errors < 2 x saved", reading{Reading: metric.Reading{Value: 0.1, Targets: 0}}, false},
		"a count":                {"a.lost <= saved", reading{Reading: metric.Found(3)}, true},
	} {
		g := decide(gateOf(t, c.expr), c.reading)
		if g.Verdict != reports.Inconclusive || g.Limit != nil || g.Saved == nil || g.Saved.Open() != c.open || g.Why == "" {
			t.Errorf("%s: %+v, %+v", name, g, g.Saved)
		}
	}
}

// With its value a gate is judged as any other, and its record tells where the limit came from.
func TestMetSavedGates(t *testing.T) {
	for value, want := range map[float64]reports.Verdict{100e6: reports.Pass, 10e6: reports.Fail} {
		gate := gateOf(t, "a.p50 < 1.2 x saved")
		gate.ResolveSaved("saved/main.json", "id", value)
		g := decide(gate, reading{Reading: readCell(gate, cellOf(100, 0, 0), time.Second)})
		if g.Verdict != want || *g.Limit != 1.2*value || *g.Saved.Value != value || g.Saved.From != "saved/main.json" || g.Saved.Open() {
			t.Errorf("%v: %+v, %+v", value, g, g.Saved)
		}
	}
}
