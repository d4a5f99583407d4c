package capacity

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// A target that acknowledges nothing is told by its first trial.
func TestDeadTarget(t *testing.T) {
	a := find(t, t.Context(), &scripted{verdict: func(float64, int) reports.Verdict { return reports.Inconclusive }, change: func(run *reports.Run, _ runner.Step) {
		total := &run.Streams["a"].Total
		total.Indeterminate, total.Acked = total.Acked, 0
		run.Why = []string{"connection refused"}
	}}, nil)
	if a.Answer != Inconclusive || len(a.Trials) != 1 || !strings.Contains(a.Why, "acknowledged nothing at 10/s, the lowest load: connection refused") {
		t.Errorf("%d trials: %s", len(a.Trials), a.Why)
	}
}

// What a target answered in place of an acknowledgement is told: one that answers every request with an error is up.
func TestTargetThatAnswersErrorsAlone(t *testing.T) {
	for unanswered, want := range map[float64]string{0: "it answers: is the request right", 1: "is it up?"} {
		a := find(t, t.Context(), &scripted{verdict: func(float64, int) reports.Verdict { return reports.Inconclusive }, change: func(run *reports.Run, _ runner.Step) {
			total := &run.Streams["a"].Total
			total.Indeterminate, total.Acked = total.Acked, 0
			total.Errors, total.Details = map[string]int64{"http_500": 48, "timeout": 2}, map[string]string{"http_500": "500 Internal Server Error"}
			total.Response = &reports.Latency{Unanswered: new(unanswered * float64(total.Offered))}
		}}, nil)
		if len(a.Trials) != 1 || !strings.Contains(a.Why, "48 operations ended with http_500 (500 Internal Server Error)") || !strings.Contains(a.Why, want) {
			t.Errorf("%d trials: %s", len(a.Trials), a.Why)
		}
	}
}

// A search that ends after its first trial, which passed, says so: one trial of the final length is no bound yet.
func TestEndedAfterOneTrial(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n := 0
	a := find(t, ctx, &scripted{verdict: func(float64, int) reports.Verdict {
		if n++; n > 2 { // the warm-up, and the first trial
			stop()
		}
		return reports.Pass
	}}, func(asked *Asked) { asked.Trial = Shortest })
	if a.Answer != Inconclusive || len(a.Trials) != 1 || a.Lower == nil || a.Lower.At != 10 || a.Lower.Certain || a.Upper != nil || !strings.Contains(a.Why, "passed at 10/s") {
		t.Errorf("%d trials: %s", len(a.Trials), a.Why)
	}
}

// A stream that could not be opened leaves a record without streams.
func TestTargetThatCannotBeReached(t *testing.T) {
	a := find(t, t.Context(), &scripted{verdict: func(float64, int) reports.Verdict { return reports.Inconclusive }, change: func(run *reports.Run, _ runner.Step) {
		run.Streams, run.DurationNS = map[string]*reports.Stream{}, 0
	}}, nil)
	if a.Answer != Inconclusive || len(a.Trials) != 1 {
		t.Errorf("%d trials: %s", len(a.Trials), a.Why)
	}
}

// A target that fails its gates at the lowest load is told by its first trial, in a scenario with faults too.
func TestFailsAtTheLowestLoad(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		a := find(t, t.Context(), &scripted{verdict: upTo(1)}, func(asked *Asked) { asked.Fixed = fixed })
		if a.Answer != Below || len(a.Trials) != 1 || a.Upper == nil || a.Upper.At != 10 {
			t.Errorf("fixed %t: %d trials: %s", fixed, len(a.Trials), a.Why)
		}
	}
}

// A saturated load generator ends the search, and the answer says at which load.
func TestGeneratorBound(t *testing.T) {
	p := &scripted{ceiling: 300, verdict: func(at float64, _ int) reports.Verdict {
		if at > 250 {
			return reports.Inconclusive
		}
		return reports.Pass
	}, change: func(run *reports.Run, _ runner.Step) {
		if run.Verdict == reports.Inconclusive {
			run.Streams["a"].Seconds = []reports.Second{{Limited: true}}
		}
	}}
	a := find(t, t.Context(), p, nil)
	if a.Answer != Inconclusive || a.Exit != reports.ExitInconclusive || !strings.Contains(a.Why, "inconclusive: the load generator was saturated at 400/s (against nothing it reached 300/s)") {
		t.Error(a.Why)
	}
	if a.Generator.Ceiling == nil || *a.Generator.Ceiling != 300 || !strings.Contains(a.Why, "generator at 66.7 %") {
		t.Error(a.Why)
	}
}

// Where the ceiling was not measured, the answer says so, and why.
func TestNoCeilingIsTold(t *testing.T) {
	for _, cpu := range []*float64{nil, new(0.09)} {
		p := &scripted{verdict: upTo(200), change: func(run *reports.Run, _ runner.Step) { run.Validity.CPU = cpu }}
		a := find(t, t.Context(), p, nil)
		if a.Generator.Ceiling != nil || a.Generator.Why != "as scripted" || !strings.Contains(a.Why, "ceiling was not measured: as scripted") || strings.Contains(a.Why, "generator at 9 % of the CPU") != (cpu != nil) {
			t.Error(a.Why)
		}
	}
}

// A search goes on where it was interrupted, and comes to the same answer.
func TestResume(t *testing.T) {
	whole := find(t, t.Context(), &scripted{verdict: upTo(333)}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := find(t, ctx, &scripted{verdict: func(at float64, step int) reports.Verdict {
		if step == 8 {
			cancel()
		}
		return upTo(333)(at, step)
	}}, nil)
	raw, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var before Answer
	if err := json.Unmarshal(raw, &before); err != nil {
		t.Fatal(err)
	}
	p := &scripted{verdict: upTo(333)}
	second := find(t, t.Context(), p, func(asked *Asked) {
		asked.Before = &before
		if err := asked.Resumes(&before, "x"); err != nil {
			t.Error(err)
		}
	})
	if len(before.Trials) == 0 || second.Lower.At != whole.Lower.At || second.Upper.At != whole.Upper.At || len(second.Trials) != len(whole.Trials) {
		t.Errorf("%d trials before, %d of %d then: %s", len(before.Trials), len(second.Trials), len(whole.Trials), second.Why)
	}
	if warm := p.played[0]; !warm.Calm || warm.Rates["a"].Constant != 10 || !p.played[1].Calm || p.played[1].Rates["a"].Constant != first.Lower.At {
		t.Errorf("the target was not warmed up and looked at: %+v", p.played[:2])
	}
	asked := Asked{Axis: &Axis{Streams: []string{"a"}}, From: 10, Most: 2000, Width: 0.05, Trial: 1}
	for name, of := range map[string]string{"y": "of scenario x", "x": "same flags"} {
		if err := asked.Resumes(&before, name); err == nil || !strings.Contains(err.Error(), of) {
			t.Errorf("%s: %v", name, err)
		}
	}
	before.Trials = []*Trial{nil} // null in the file
	if err := asked.Resumes(&before, "x"); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Error(err)
	}
}

// goesOn is the answer of a search that goes on with an earlier one.
func goesOn(t *testing.T, before *Answer, p *scripted) *Answer {
	t.Helper()
	return find(t, t.Context(), p, func(asked *Asked) { asked.Before = before })
}

// A search that a busy machine ended goes on where it ended. One that has its answer sends nothing.
func TestResumeTriesAgain(t *testing.T) {
	busy := func(at float64, step int) reports.Verdict {
		if at > 150 {
			return reports.Inconclusive
		}
		return reports.Pass
	}
	stuck := find(t, t.Context(), &scripted{verdict: busy}, nil)
	a := goesOn(t, stuck, &scripted{verdict: upTo(333)})
	if stuck.Answer != Inconclusive || a.Answer != Bracket || a.Lower.At > 333 || a.Upper.At < 333 {
		t.Errorf("%s; then %s", stuck.Why, a.Why)
	}
	over := &scripted{verdict: upTo(1)}
	if again := goesOn(t, a, over); again.Lower.At != a.Lower.At || over.steps != 0 {
		t.Errorf("%d steps: %s", over.steps, again.Why)
	}
}

// A target that is not back, or dead, when a search goes on moves no bound: the answer is what was known.
func TestResumeOnABadTarget(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := find(t, ctx, &scripted{verdict: func(at float64, step int) reports.Verdict {
		if step == 12 {
			cancel()
		}
		return upTo(333)(at, step)
	}}, nil)
	known := before.Lower.At
	tipped := goesOn(t, before, &scripted{verdict: upTo(50)})
	if tipped.Lower == nil || tipped.Lower.At != known || !strings.Contains(tipped.Why, "the target stayed bad") {
		t.Error(tipped.Why)
	}
	dead := &scripted{verdict: upTo(1), change: func(run *reports.Run, _ runner.Step) { run.Streams["a"].Total.Acked = 0 }}
	trials := len(before.Trials)
	if a := goesOn(t, before, dead); a.Lower == nil || a.Lower.At != known || len(a.Trials) != trials || !strings.Contains(a.Why, "acknowledged nothing") {
		t.Error(a.Why)
	}
}

// In a scenario with faults the target is looked at after each trial, without the faults, also after one that passed.
func TestLooksBetweenTrialsWithFaults(t *testing.T) {
	sc := &scenarios.Scenario{Faults: []scenarios.Fault{{Name: "slow"}}}
	tipped := false
	p := &scripted{verdict: func(at float64, _ int) reports.Verdict { return upTo(1000)(at, 0) }}
	p.change = func(run *reports.Run, st runner.Step) {
		switch {
		case st.Calm && tipped: // the fault left it slow; the gates are on the fault's own window
			run.Streams["a"].Total.Response = &reports.Latency{Mean: new(2e9), P50: new(2e9), P99: new(2e9)}
		default:
			run.Streams["a"].Total.Response = &reports.Latency{Mean: new(2e6), P50: new(2e6), P99: new(2e6)}
		}
		if st.Calm {
			run.Gates, run.Verdict, run.Validity.Verdict = nil, reports.Inconclusive, reports.Valid
		} else if at := st.Rates["a"].Constant; at > 150 {
			tipped = true
		}
	}
	a := findIn(t, t.Context(), sc, p, func(asked *Asked) { asked.Fixed = true })
	if a.Answer != Inconclusive || a.Lower.At != 100 || !strings.Contains(a.Why, "stayed bad at 10/s, where it had passed (its median is 2 s, and was 2 ms)") {
		t.Errorf("%s: %s", a.Answer, a.Why)
	}
}

// On a machine that other programs hold, a slow look says nothing of the target.
func TestABusyLookDecidesNothing(t *testing.T) {
	p := &scripted{verdict: upTo(100)}
	p.change = func(run *reports.Run, st runner.Step) {
		run.Streams["a"].Total.Response = &reports.Latency{Mean: new(2e6), P50: new(2e6), P99: new(2e6)}
		if st.Calm && st.Rates["a"].Constant > 50 {
			run.Streams["a"].Total.Response.P50 = new(2e9)
			run.Streams["a"].Seconds = []reports.Second{{Busy: true}}
		}
	}
	if a := find(t, t.Context(), p, nil); !strings.Contains(a.Why, "decided nothing of whether the target had come back") {
		t.Error(a.Why)
	}
}

// A group of consumers that has not worked its backlog off is not back at its baseline.
func TestBacklogIsWorkedOff(t *testing.T) {
	lag := 0.0
	p := &scripted{verdict: upTo(1e9)}
	looked := 0
	p.change = func(run *reports.Run, st runner.Step) {
		at := st.Rates["a"].Constant
		if st.Calm {
			looked++
			lag /= 2
		}
		for i := range 10 {
			if at > 300 && !st.Calm {
				lag += (at - 300) * st.Duration.Seconds() / 10
			}
			run.Streams["a"].Gauges = map[string][]reports.Sample{"group_lag": append(run.Streams["a"].Gauges["group_lag"], reports.Sample{AtNS: int64(i) * int64(st.Duration) / 10, Value: lag})}
		}
	}
	a := find(t, t.Context(), p, nil)
	if a.Answer != Bracket || a.Lower.At > 303 || a.Upper.At < 300 || looked < 6 || a.Limit.Gate != "backlog" {
		t.Errorf("%d looks: %s", looked, a.Why)
		for _, trial := range a.Trials {
			t.Logf("%.1f %.0f s: %s %s", trial.At, trial.Seconds, trial.Verdict, trial.Why)
		}
	}
}

// A target that stays bad after the first trial that failed leaves a bracket, which is not certain and says why it is no narrower.
func TestOneFailureIsABracket(t *testing.T) {
	tipped := false
	a := find(t, t.Context(), &scripted{verdict: func(at float64, _ int) reports.Verdict {
		if tipped = tipped || at > 300; tipped {
			return reports.Fail
		}
		return reports.Pass
	}}, func(asked *Asked) { asked.Trial = Shortest })
	if a.Answer != Bracket || a.Lower.At != 200 || a.Upper == nil || a.Upper.At != 400 || a.Upper.Certain || a.Limit == nil ||
		!strings.Contains(a.Why, "failed at 400/s; not narrowed further: the target stayed bad at 10/s") {
		t.Errorf("%s: %s", a.Answer, a.Why)
	}
}

// The third trial in a row that decides nothing ends the search, and the answer says why; the target need not be looked at any more.
func TestStuckSearchSaysWhy(t *testing.T) {
	a := find(t, t.Context(), &scripted{verdict: func(at float64, step int) reports.Verdict {
		if at > 150 || step > 10 {
			return reports.Inconclusive
		}
		return reports.Pass
	}}, nil)
	if !strings.Contains(a.Why, "3 trials at 200/s decided nothing: as scripted") {
		t.Error(a.Why)
	}
}
