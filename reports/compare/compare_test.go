package compare

import (
	"math"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// Each verdict, by the values of p99 on both sides.
func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		base, new []float64
		verdict   string
		exit      int
	}{
		"slower":                 {[]float64{10, 10.1, 10.2, 9.9, 9.8, 10}, []float64{12, 12.1, 11.9, 12.2, 11.8, 12}, Worse, ExitWorse},
		"faster":                 {[]float64{12, 12.1, 11.9, 12.2, 11.8, 12}, []float64{10, 10.1, 10.2, 9.9, 9.8, 10}, Better, ExitFine},
		"the same":               {[]float64{10, 10.1, 10.2, 9.9, 9.8, 10}, []float64{10.05, 10.1, 10.15, 9.9, 9.85, 10}, Same, ExitFine},
		"real, and too small":    {[]float64{10, 10.01, 10.02, 9.99, 9.98, 10.03}, []float64{10.2, 10.21, 10.22, 10.19, 10.18, 10.23}, Same, ExitFine},
		"noisy":                  {[]float64{10, 14, 9, 12, 8, 11}, []float64{11, 15, 9.5, 13, 8.5, 10.5}, CannotTell, ExitFine},
		"all equal":              {[]float64{10, 10, 10, 10}, []float64{10, 10, 10, 10}, Same, ExitFine},
		"three runs a side":      {[]float64{10, 10, 10}, []float64{20, 20, 20}, CannotTell, ExitUntold},
		"no answer any more":     {[]float64{10, 10.1, 10.2, 9.9, 9.8, 10}, []float64{inf, inf, inf, inf, inf, inf}, Worse, ExitWorse},
		"no answer on both":      {[]float64{inf, inf, inf, inf, inf, inf}, []float64{inf, inf, inf, inf, inf, inf}, Same, ExitFine},
		"answers again":          {[]float64{inf, inf, inf, inf, inf, inf}, []float64{10, 10.1, 10.2, 9.9, 9.8, 10}, Better, ExitFine},
		"from 0 up":              {[]float64{0, 0, 0, 0, 0, 0}, []float64{1, 1.1, 1.2, 0.9, 0.8, 1}, Worse, ExitWorse},
		"some runs of no answer": {[]float64{10, 10, 10, 10, 10, 10}, []float64{10, 10, 10, inf, inf, inf}, CannotTell, ExitFine},
	} {
		t.Run(name, func(t *testing.T) {
			a := compared(t, runsOf(c.base...), runsOf(c.new...))
			v := find(t, a, "orders.p99")
			if v.Verdict != c.verdict || a.Exit != c.exit {
				t.Errorf("%s, exit %d, want %s, %d: %+v", v.Verdict, a.Exit, c.verdict, c.exit, v)
			}
			if same := find(t, a, "orders.errors"); c.exit != ExitUntold && same.Verdict != Same {
				t.Errorf("errors, all 0, are %s: %s", same.Verdict, same.Why)
			}
		})
	}
}

var inf = math.Inf(1)

// Higher is better for a rate, and a gauge has the direction that its gates ask for.
func TestDirections(t *testing.T) {
	rate := func(v float64) *Run {
		return oneRun(ms, ms, func(r *reports.Run) { r.Streams["orders"].Total.Rate = &v })
	}
	var base, fresh []*Run
	for i := range 6 {
		base, fresh = append(base, rate(100+float64(i))), append(fresh, rate(80+float64(i)))
	}
	if v := find(t, compared(t, base, fresh), "orders.rate"); v.Verdict != Worse || v.Better != reports.Higher {
		t.Errorf("a lower rate is %s", v.Verdict)
	}
	for expr, want := range map[string]string{"orders.lag < 100": Worse, "orders.lag > 1": Better, "orders.lag != 7": CannotTell} {
		base, fresh = nil, nil
		for i := range 6 {
			base = append(base, oneRun(ms, ms, gated(expr, "lag", 10+float64(i)/10)))
			fresh = append(fresh, oneRun(ms, ms, gated(expr, "lag", 20+float64(i)/10)))
		}
		a := compared(t, base, fresh)
		if v := find(t, a, "orders.lag"); v.Verdict != want || len(a.Changes) != 1 {
			t.Errorf("%s: %s, %d changes", expr, v.Verdict, len(a.Changes))
		}
	}
}

// With one run a side a second is no sample: nothing is told but a count that rises from 0, with or without a gate.
func TestOneRun(t *testing.T) {
	a := compared(t, runsOf(10), runsOf(20))
	v := find(t, a, "orders.p99")
	if a.Exit != ExitUntold || v.Verdict != CannotTell || v.P != nil || v.RunsNeeded == nil || *v.RunsNeeded != 5 || !strings.Contains(strings.Join(a.Notes, " "), "seconds depend on each other") {
		t.Errorf("exit %d, %+v, %q", a.Exit, v, a.Notes)
	}
	lost := func(n int64) func(*reports.Run) {
		return func(r *reports.Run) { r.Streams["orders"].Total.Integrity.Lost = &n }
	}
	a = compared(t, runsOf(10), []*Run{oneRun(3*ms, 10*ms, lost(3))})
	if v := find(t, a, "orders.lost"); a.Exit != ExitWorse || v.Verdict != Worse || v.Change != nil || *v.New != 3 {
		t.Errorf("exit %d, %+v", a.Exit, v)
	}
	a = compared(t, []*Run{oneRun(3*ms, 10*ms, lost(3))}, []*Run{oneRun(3*ms, 10*ms, lost(9))})
	if a.Exit != ExitUntold {
		t.Errorf("a count that was above 0 before is told by one run: %s", a.Why)
	}
	// Operations that are seen are no defect.
	seen := oneRun(3*ms, 10*ms, func(r *reports.Run) { r.Streams["orders"].Total.Integrity.Seen = new(int64(0)) })
	if a = compared(t, []*Run{seen}, runsOf(10)); a.Exit != ExitUntold {
		t.Error(a.Why)
	}
	// In some of several new runs it may be chance. It is told, and nobody may read that nothing is worse.
	a = compared(t, runsOf(10, 10, 10, 10), []*Run{oneRun(3*ms, 10*ms, lost(3)), oneRun(3*ms, 10*ms), oneRun(3*ms, 10*ms), oneRun(3*ms, 10*ms)})
	if v := find(t, a, "orders.lost"); a.Exit != ExitUntold || v.Verdict != CannotTell || !strings.Contains(a.Why, "orders.lost") {
		t.Errorf("exit %d, %s: %+v", a.Exit, a.Why, v)
	}
	clean := func() *Run { return oneRun(3*ms, 10*ms, lost(0)) }
	a = compared(t, []*Run{clean(), clean(), clean(), clean()}, []*Run{oneRun(3*ms, 10*ms, lost(3)), clean(), clean(), clean()})
	if v := find(t, a, "orders.lost"); a.Exit != ExitUntold || v.Verdict != CannotTell {
		t.Errorf("exit %d, %s: %+v", a.Exit, a.Why, v)
	}
}

// Nothing is worse only where every judged metric was told. One that no gate judges is named if every new run is worse than all before.
func TestWhatIsNotTold(t *testing.T) {
	judgedBy := func(p50, observed float64) *Run {
		return oneRun(p50*ms, 10*ms, gated("orders.lag < 1s", "lag", observed), gated("orders.errors < 1%", "errors", 0))
	}
	sides := func(slower float64, observed ...float64) (base, fresh []*Run) {
		for i, v := range observed {
			base = append(base, judgedBy(3+float64(i)/100, observed[len(observed)-1-i]))
			fresh = append(fresh, judgedBy(3*slower+float64(i)/100, v))
		}
		return base, fresh
	}
	base, fresh := sides(1, 10, 10, 10, 10, 10, 10)
	a := compared(t, base, fresh)
	if a.Title() != "nothing is worse" || a.Exit != ExitFine {
		t.Errorf("%s: %s", a.Title(), a.Why)
	}
	base, fresh = sides(1, 5, 50, 6, 40, 90, 7)
	if a = compared(t, base, fresh); a.Title() != "no judged metric is known to be worse" || a.Exit != ExitFine || strings.Contains(a.Why, "p50") {
		t.Errorf("%s: %s", a.Title(), a.Why)
	}
	base, fresh = sides(10, 10, 10, 10, 10, 10, 10)
	if a = compared(t, base, fresh); a.Title() != "no judged metric is known to be worse" || !strings.Contains(a.Why, "no gate judges orders.p50 (+892") || a.Exit != ExitFine {
		t.Errorf("%s: %s", a.Title(), a.Why)
	}
	if a = compared(t, fresh, base); a.Title() != "nothing is worse" {
		t.Errorf("what got faster is told of as worse: %s", a.Why)
	}
}

// Runs that say nothing are named and left out; of a side without any other run nothing can be told.
func TestUnusableRuns(t *testing.T) {
	for want, spoil := range map[string]func(*reports.Run){
		"interrupted":        func(r *reports.Run) { r.Exit, r.Verdict = reports.ExitInterrupted, reports.Inconclusive },
		"the harness failed": func(r *reports.Run) { r.Exit = reports.ExitHarness },
		"not complete":       func(r *reports.Run) { r.Complete = false },
		"saturated": func(r *reports.Run) {
			r.Validity = reports.Validity{Verdict: reports.Inconclusive, Why: []string{"the load generator was saturated"}}
		},
	} {
		a := compared(t, runsOf(10, 10, 10, 10), append(runsOf(20, 20, 20), oneRun(3*ms, 90*ms, spoil)))
		if last := a.Inputs[7]; !strings.Contains(last.LeftOut, want) || a.Runs.New != 3 || !strings.Contains(strings.Join(a.Notes, " "), want) {
			t.Errorf("%s: %+v, %d runs, %q", want, last, a.Runs.New, a.Notes)
		}
		a = compared(t, runsOf(10, 10, 10, 10), []*Run{oneRun(3*ms, 90*ms, spoil)})
		if a.Exit != ExitUntold || !strings.Contains(a.Why, want) || len(a.Changes) > 0 {
			t.Errorf("%s: exit %d, %s", want, a.Exit, a.Why)
		}
	}
	// One that failed its gates, and one without gates, were measured well.
	failed := oneRun(3*ms, 10*ms, func(r *reports.Run) { r.Verdict, r.Exit = reports.Fail, reports.ExitFail })
	ungated := oneRun(3*ms, 10*ms, func(r *reports.Run) { r.Verdict, r.Exit = reports.Inconclusive, reports.ExitInconclusive })
	if a := compared(t, []*Run{failed}, []*Run{ungated}); a.Runs != (Counts{1, 1}) {
		t.Errorf("%+v", a.Inputs)
	}
}

func TestTheSameRunTwice(t *testing.T) {
	r := oneRun(3*ms, 10*ms)
	copied := &Run{Path: "elsewhere", Record: r.Record}
	if a := compared(t, []*Run{r}, []*Run{copied}); a.Comparable || !strings.Contains(a.Differences[0], "stands on both sides") {
		t.Error(a.Why)
	}
	// A file of wringer save is its run.
	if a := compared(t, []*Run{r}, []*Run{{Path: "saved", Record: Keep(r.Record)}}); a.Comparable {
		t.Error(a.Why)
	}
	// Records of one id that differ are told of, and compared: a program may have made them.
	other := oneRun(3*ms, 11*ms)
	other.Record.ID = r.Record.ID
	if a := compared(t, []*Run{r}, []*Run{other}); !a.Comparable || !strings.Contains(strings.Join(a.Notes, " "), "have one id") {
		t.Errorf("%s, %q", a.Why, a.Notes)
	}
	if a := compared(t, []*Run{r, copied}, runsOf(10)); a.Runs.Base != 1 || !strings.Contains(a.Inputs[1].LeftOut, "the same run") {
		t.Errorf("%+v", a.Inputs)
	}
}

// At most 20 metrics are judged, and the correction is for those that could tell something.
func TestFamily(t *testing.T) {
	many := func(p99 float64) *Run {
		var gates []func(*reports.Run)
		for i := range 25 {
			name := "gauge" + string(rune('a'+i))
			gates = append(gates, gated("orders."+name+" < 100", name, p99))
		}
		return oneRun(ms, ms, gates...)
	}
	var base, fresh []*Run
	for i := range 8 {
		base, fresh = append(base, many(10+float64(i)/100)), append(fresh, many(20+float64(i)/100))
	}
	a := compared(t, base, fresh)
	if len(a.Changes) != mostJudged || a.Changes[0].Verdict != Worse || !strings.Contains(strings.Join(a.Notes, " "), "20 of 25 metrics") {
		t.Errorf("%d changes, %+v, %q", len(a.Changes), a.Changes[0], a.Notes)
	}
	shown := 0
	for _, v := range a.Shown {
		if strings.HasPrefix(v.Metric, "gauge") {
			shown++
		}
	}
	if shown != 5 {
		t.Errorf("%d of the gates' other metrics are shown", shown)
	}
}

// Gates on one metric differ by their argument, their window and their seconds, and not by their limits.
func TestKeys(t *testing.T) {
	window := "slow"
	of := func(expr, window string) key {
		g := &reports.Gate{Expr: expr, Stream: "orders"}
		if window != "" {
			g.Window = &window
		}
		return keyOf(g)
	}
	for _, same := range [][2]key{
		{of("orders.p99 < 250ms", ""), of("orders.p99 <= 1s", "")},
		{of("orders.within(250 ms) > 99%", ""), of("orders.within(250ms)  >  90 %", "")},
		{of("orders.p99 < 1.2 x saved during slow", window), of("orders.p99 < 2s during slow", window)},
	} {
		if same[0] != same[1] {
			t.Errorf("%+v and %+v differ", same[0], same[1])
		}
	}
	for _, other := range []key{
		of("orders.p50 < 250ms", ""), of("orders.within(100ms) > 99%", ""), of("orders.p99 < 1s during slow", window), of("orders.p99 < 1s in every  second", ""),
	} {
		if other == of("orders.p99 < 250ms", "") || other == of("orders.within(250ms) > 99%", "") {
			t.Errorf("%+v", other)
		}
	}
	if k := keyOf(&reports.Gate{Expr: "link(orders->stock).amplification < 1.5"}); k.metric != "link(orders->stock).amplification" || k.stream != "" {
		t.Errorf("%+v", k)
	}
}

// A metric that some run does not know is judged over the others, and says so. NaN is no value.
func TestMissingValues(t *testing.T) {
	base := runsOf(10, 10.1, 10.2, 9.9, 9.8, 10)
	base[2].Record.Streams["orders"].Total.Response = nil
	base[3].Record.Streams["orders"].Total.Response.P99 = new(math.NaN())
	a := compared(t, base, runsOf(12, 12.1, 12.2, 11.9, 11.8, 12))
	v := find(t, a, "orders.p99")
	if len(v.Samples.Base) != 4 || v.Verdict != Worse || !strings.Contains(v.Why, "not known of "+base[2].Path) {
		t.Errorf("%+v", v)
	}
	for _, r := range base {
		delete(r.Record.Streams, "orders")
	}
	if a := compared(t, base, runsOf(10)); a.Comparable {
		t.Error("runs without a common stream are comparable")
	}
}

// The samples of package recordtest, hostile ones among them, can be compared with each other, and no answer breaks its contract.
func TestSampleRecords(t *testing.T) {
	all := recordtest.Samples()
	all["hostile"] = recordtest.Hostile()
	for a, x := range all {
		for b, y := range all {
			copied := *y.Run
			copied.ID = "another"
			for _, anyway := range []bool{false, true} {
				answer := Compare([]*Run{{a, x.Run, x.Scenario}}, []*Run{{b, &copied, y.Scenario}}, Options{Catalogue: catalogue, Effect: 0.05, Anyway: anyway})
				valid(t, answer)
				if anyway && !answer.Comparable && len(answer.Shown) == 0 {
					t.Errorf("%s with %s: nothing is shown", a, b)
				}
			}
		}
	}
}
