package capacity

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
)

// saved is the answer for a target of a capacity, as it is read from a file.
func saved(t *testing.T, truth float64) *Answer {
	t.Helper()
	raw, err := json.Marshal(find(t, t.Context(), &scripted{verdict: upTo(truth)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	return &a
}

// The verdict follows from both bounds, then and now: a capacity that is lower for certain fails, and brackets that overlap decide nothing.
func TestBaseline(t *testing.T) {
	for name, c := range map[string]struct {
		then, now, tolerance float64
		verdict              reports.Verdict
		exit                 int
		why                  string
	}{
		"same":                    {333, 333, 0.1, reports.Pass, reports.ExitPass, "would be enough"},
		"same, nothing may miss":  {333, 333, 0, reports.Inconclusive, reports.ExitInconclusive, "the bounds overlap"},
		"half":                    {333, 160, 0.1, reports.Fail, reports.ExitFail, "90 % of 3"},
		"a little less":           {333, 290, 0, reports.Fail, reports.ExitFail, "is needed"},
		"less than may miss":      {333, 290, 0.3, reports.Pass, reports.ExitPass, "70 % of"},
		"as much as may miss":     {333, 300, 0.1, reports.Inconclusive, reports.ExitInconclusive, "the bounds overlap those that are needed"},
		"more":                    {333, 400, 0, reports.Pass, reports.ExitPass, "sustained"},
		"the most, twice":         {1e9, 1e9, 0.1, reports.Pass, reports.ExitPass, "more than 1,000/s was not tried for the baseline"},
		"no more the most":        {1e9, 960, 0.1, reports.Inconclusive, reports.ExitInconclusive, "how much more is not known"},
		"much less than the most": {1e9, 333, 0.1, reports.Fail, reports.ExitFail, "90 % of 1,000/s is needed"},
		"the most now":            {333, 1e9, 0.1, reports.Pass, reports.ExitPass, "1,000/s sustained"},
		"nothing now":             {333, 1, 0.1, reports.Fail, reports.ExitFail, "it fails at 10/s"},
	} {
		then := saved(t, c.then)
		a := find(t, t.Context(), &scripted{verdict: upTo(c.now)}, func(asked *Asked) {
			b, err := NewBaseline("capacity.json", then, c.tolerance, asked, &scenarios.Scenario{Name: "x"})
			if err != nil {
				t.Fatal(err)
			}
			asked.Baseline = b
		})
		if a.Baseline.Verdict != string(c.verdict) || a.Exit != c.exit || !strings.Contains(a.Baseline.Why, c.why) || !strings.Contains(a.Why, a.Baseline.Why) {
			t.Errorf("%s: exit %d, %+v; %s", name, a.Exit, a.Baseline, a.Why)
		}
	}
}

// Bounds that are not certain are compared with nothing, on either side.
func TestBaselineOfUncertainBounds(t *testing.T) {
	low, high := &Bound{At: 100}, &Bound{At: 105}
	text := func(at float64) string { return rate(at) }
	b := &Baseline{Answer: Bracket, Lower: &Bound{At: 400, Certain: true}, Upper: &Bound{At: 418, Certain: true}}
	if b.judge(low, high, text); b.Verdict != string(reports.Inconclusive) {
		t.Errorf("%+v", b)
	}
	high.Certain = true
	if b.judge(low, high, text); b.Verdict != string(reports.Fail) {
		t.Errorf("%+v", b)
	}
	then := saved(t, 333)
	then.Lower.Certain, then.Upper.Certain = false, false
	asked := Asked{Axis: &Axis{Streams: []string{"a"}, shares: map[string]float64{"a": 1}}, Trial: 30 * time.Second}
	if _, err := NewBaseline("capacity.json", then, 0, &asked, &scenarios.Scenario{Name: "x"}); err == nil || !strings.Contains(err.Error(), "no certain bound") {
		t.Error(err)
	}
}

// An answer to another question is refused, by what differs.
func TestBaselineOfAnotherQuestion(t *testing.T) {
	for want, change := range map[string]func(a *Answer, sc *scenarios.Scenario){
		"of scenario x, not of y":        func(_ *Answer, sc *scenarios.Scenario) { sc.Name = "y" },
		"it scaled the users of a":       func(a *Answer, _ *scenarios.Scenario) { a.Axis = "users" },
		"the rate of b, not the rate of": func(a *Answer, _ *scenarios.Scenario) { a.Streams = []string{"b"} },
		"save a new baseline":            func(_ *Answer, sc *scenarios.Scenario) { sc.Expect = []scenarios.Gate{{Expr: "a.p99 < 1s"}} },
		"its trials lasted 10 s":         func(a *Answer, _ *scenarios.Scenario) { a.Search.Trial = 10 },
		"divided among the streams":      func(a *Answer, _ *scenarios.Scenario) { a.Lower.Streams["a"] /= 2 },
		"no answer of wringer capacity":  func(a *Answer, _ *scenarios.Scenario) { a.Search = nil },
		"no answer of wringer":           func(a *Answer, _ *scenarios.Scenario) { a.Schema = "wringer.run/v1" },
	} {
		then, sc := saved(t, 333), &scenarios.Scenario{Name: "x"}
		asked := Asked{Axis: &Axis{Streams: []string{"a"}, shares: map[string]float64{"a": 1}}, Trial: 30 * time.Second}
		if _, err := NewBaseline("capacity.json", then, 0.1, &asked, sc); err != nil {
			t.Fatal(err)
		}
		change(then, sc)
		if _, err := NewBaseline("capacity.json", then, 0.1, &asked, sc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
