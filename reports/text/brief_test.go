package text

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// wide is a run of 50 streams and 50 faults, each with its window. One gate failed, and one fault touched no traffic.
func wide() *reports.Record {
	rec := recordtest.Fail()
	run := *rec.Run
	one, gates, fault := run.Streams["payments"], run.Gates, run.Faults[0]
	run.Streams, run.Gates, run.Faults, run.Windows = make(map[string]*reports.Stream), nil, nil, nil
	windows := map[string]*reports.Measures{"baseline": one.Windows["baseline"]}
	run.Windows = append(run.Windows, reports.Window{Name: "baseline", EndNS: 1e9})
	for i := range int64(50) {
		f := fault
		f.Name, f.StartNS, f.EndNS, f.Bit = fmt.Sprintf("f%02d", i), (i+1)*1e9, (i+2)*1e9, i != 7
		run.Faults = append(run.Faults, f)
		run.Windows = append(run.Windows, reports.Window{Name: f.Name, StartNS: f.StartNS, EndNS: f.EndNS, Fault: &f.Name})
		windows[f.Name] = one.Windows["slow-broker"]
	}
	for i := range 50 {
		s := *one
		s.Windows = maps.Clone(windows)
		name := fmt.Sprintf("s%02d", i)
		g := gates[1]
		g.Expr, g.Stream = name+".p99 < 100ms", name
		if g.Verdict = reports.Pass; i == 33 {
			g.Verdict = reports.Fail
		}
		run.Gates, run.Streams[name] = append(run.Gates, g), &s
	}
	return &reports.Record{Run: &run}
}

// The summary of a wide run fits two screens: what failed comes first, and nothing of it is left out.
func TestAWideRunIsBrief(t *testing.T) {
	rec := wide()
	out := rendered(t, rec, Options{Width: 100})
	if n := strings.Count(out, "\n"); n > 100 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"✗ s33.p99 < 100ms", "49 of 50 gates held", "\n  s33 ", "and 40 more, without a failed gate or an error", "all 50 streams: ", "? f07", "49 of 50 injections were as planned", "--verbose", "✓ valid"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if whole := rendered(t, rec, Options{Width: 100, All: true}); strings.Count(whole, "\n") < 1000 || !strings.Contains(whole, "✓ f08") {
		t.Errorf("all of it has %d lines", strings.Count(whole, "\n"))
	}
}
