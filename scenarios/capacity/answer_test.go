package capacity

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
	"wringer/scenarios/runner/judge"
)

//go:embed contract.schema.json
var contract []byte

// valid holds an answer to what other programs rely on.
func valid(t *testing.T, a *Answer) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(contract))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("contract.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("contract.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Error(err)
	}
}

// scripted answers steps by a function of the load.
type scripted struct {
	verdict func(at float64, step int) reports.Verdict
	steps   int
	reset   func() error
	change  func(run *reports.Run, st runner.Step) // nil: the run stays
	played  []runner.Step
	ceiling float64
}

func (s *scripted) Ceiling(context.Context, *Axis) (float64, string, error) {
	return s.ceiling, "as scripted", nil
}

func (s *scripted) Play(ctx context.Context, _ int, st runner.Step) (*reports.Run, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	s.steps++
	s.played = append(s.played, st)
	at := st.Rates["a"].Constant
	d := cmp.Or(st.Duration, 30*time.Second)
	run := &reports.Run{Verdict: s.verdict(at, s.steps), DurationNS: int64(d), Why: []string{"as scripted"}, Streams: map[string]*reports.Stream{"a": {}}}
	n := int64(at * d.Seconds())
	run.Streams["a"].Total.Counts = reports.Counts{Offered: n, Sent: n, Acked: n}
	for i := range int64(d / time.Second) {
		row := reports.Second{StartNS: i * int64(time.Second), Counts: reports.Counts{Offered: int64(at), Sent: int64(at), Acked: int64(at)}, P50NS: new(int64(2e6))}
		run.Streams["a"].Seconds = append(run.Streams["a"].Seconds, row)
	}
	if run.Verdict == reports.Fail {
		run.Gates = []reports.Gate{{Expr: "a.errors < 1%", Verdict: reports.Fail, Observed: new(0.5), Limit: new(0.01), Unit: "ratio", Metric: "errors"}}
	}
	if s.change != nil {
		s.change(run, st)
	}
	return run, "trials/x", nil
}

func (s *scripted) Reset(context.Context) error {
	if s.reset == nil {
		return errors.ErrUnsupported
	}
	return s.reset()
}

func find(t *testing.T, ctx context.Context, p Player, change func(*Asked)) *Answer {
	t.Helper()
	return findIn(t, ctx, &scenarios.Scenario{}, p, change)
}

// findIn searches in a scenario that holds more than its stream.
func findIn(t *testing.T, ctx context.Context, sc *scenarios.Scenario, p Player, change func(*Asked)) *Answer {
	t.Helper()
	sc.Name, sc.Traffic = "x", []scenarios.Stream{{Name: "a", Rate: &scenarios.Rate{Constant: 50}}}
	axis, err := NewAxis(sc, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	asked := Asked{Axis: axis, From: 10, Most: 1000, Width: 0.05, Trial: 30 * time.Second}
	if change != nil {
		change(&asked)
	}
	a, err := Find(ctx, sc, asked, p, func(a *Answer, _ Progress) { valid(t, a) })
	if err != nil {
		t.Fatal(err)
	}
	valid(t, a)
	return a
}

func upTo(truth float64) func(float64, int) reports.Verdict {
	return func(at float64, _ int) reports.Verdict {
		if at <= truth {
			return reports.Pass
		}
		return reports.Fail
	}
}

// A load at which operations failed only while other programs held the machine is tried again. Elsewhere such a failure decides.
func TestFailuresOfABusyMachine(t *testing.T) {
	for name, c := range map[string]struct {
		busy    bool
		metric  string
		decides bool
	}{
		"busy": {true, "errors", false}, "calm": {false, "errors", true}, "a time": {true, "p99", true},
	} {
		a := find(t, t.Context(), &scripted{
			verdict: upTo(150),
			change: func(run *reports.Run, st runner.Step) {
				if run.Verdict != reports.Fail || st.Rates["a"].Constant > 200 {
					return
				}
				run.Gates[0].Metric = c.metric
				row := &run.Streams["a"].Seconds[3]
				row.Acked, row.Rejected, row.Busy = row.Acked/2, row.Acked/2, c.busy
			},
		}, nil)
		if decides := a.Upper != nil && a.Upper.At <= 200; decides != c.decides {
			t.Errorf("%s: %s", name, a.Why)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		truth  float64
		answer string
		why    string
	}{
		"bracket":  {200, Bracket, "/s sustained, fails at 20"},
		"at least": {1e9, AtLeast, "a: at least 1,000/s, the most asked for"},
		"below":    {1, Below, "a: failed at 10/s; limit reached: a.errors (50 % > 1 %)"},
	} {
		a := find(t, t.Context(), &scripted{verdict: upTo(c.truth)}, nil)
		if a.Answer != c.answer || a.Exit != reports.ExitPass || !strings.Contains(a.Why, c.why) {
			t.Errorf("%s: %s, exit %d: %s", name, a.Answer, a.Exit, a.Why)
		}
	}
}

// Trials that decide nothing end the search after the third in a row. What was known stands.
func TestUndecidedTrials(t *testing.T) {
	a := find(t, t.Context(), &scripted{verdict: func(at float64, _ int) reports.Verdict {
		if at > 150 {
			return reports.Inconclusive
		}
		return reports.Pass
	}}, nil)
	if a.Answer != Inconclusive || a.Exit != reports.ExitInconclusive || a.Lower.At != 100 || a.Upper != nil || !strings.Contains(a.Why, "3 trials at 200/s decided nothing") {
		t.Errorf("%s", a.Why)
	}
}

// A target that tips over and stays bad ends the search, unless it can be reset.
func TestMetastable(t *testing.T) {
	for _, resets := range []bool{false, true} {
		tipped, n := false, 0
		p := &scripted{verdict: func(at float64, _ int) reports.Verdict {
			tipped = tipped || at > 200
			if tipped {
				return reports.Fail
			}
			return reports.Pass
		}}
		if resets {
			p.reset = func() error { tipped = false; n++; return nil }
		}
		a := find(t, t.Context(), p, nil)
		if resets && (a.Answer != Bracket || a.Lower.At > 200 || a.Upper.At <= 200 || n == 0) {
			t.Errorf("with resets: %s, %d resets", a.Why, n)
		}
		if !resets && (a.Answer != Bracket || a.Exit != reports.ExitPass || a.Lower.At != 200 || a.Upper.At != 400 || !strings.Contains(a.Why, "not narrowed further") || !strings.Contains(a.Why, "--reset")) {
			t.Errorf("without: %s", a.Why)
		}
	}
}

// Trials that decide nothing are no proof that a target came back.
func TestUnknownRecovery(t *testing.T) {
	tipped := false
	a := find(t, t.Context(), &scripted{verdict: func(at float64, _ int) reports.Verdict {
		switch {
		case tipped:
			return reports.Inconclusive
		case at > 200:
			tipped = true
			return reports.Fail
		}
		return reports.Pass
	}}, nil)
	if a.Answer != Bracket || a.Lower.At != 200 || a.Upper.At != 400 || !strings.Contains(a.Why, "decided nothing of whether") {
		t.Errorf("%s", a.Why)
	}
}

// A target that answers and is not healthy under a load does not sustain it. One that answers nothing shows nothing.
func TestNotHealthyUnderALoad(t *testing.T) {
	axis := &Axis{Streams: []string{"a"}}
	for acked, want := range map[int64]reports.Verdict{0: reports.Inconclusive, 7: reports.Fail} {
		run := &reports.Run{Verdict: reports.Inconclusive, DurationNS: 1e9, Why: []string{judge.NotHealthy + ": a.p99"}, Streams: map[string]*reports.Stream{"a": {}}}
		run.Streams["a"].Total.Counts = reports.Counts{Offered: 10, Sent: 10, Acked: acked}
		if got := trial(axis, 1, run, nil); got.Verdict != string(want) {
			t.Errorf("%d acked: %s", acked, got.Verdict)
		}
	}
}

// What kept a trial from deciding anything is told, not that it ended early.
func TestWhyATrialDecidedNothing(t *testing.T) {
	run := &reports.Run{Verdict: reports.Inconclusive, DurationNS: 1e9, Why: []string{judge.EndedEarly + ": a.p99 < 1s could not hold any more", "the load generator was saturated"}}
	if got := trial(&Axis{Streams: []string{"a"}}, 1, run, nil); got.Why != "the load generator was saturated" {
		t.Error(got.Why)
	}
}

// An interrupt leaves what is known.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := find(t, ctx, &scripted{verdict: func(_ float64, step int) reports.Verdict {
		if step == 3 {
			cancel()
		}
		return reports.Pass
	}}, func(asked *Asked) { asked.Trial = Shortest })
	if a.Exit != reports.ExitInterrupted || a.Answer != Inconclusive || a.Lower == nil {
		t.Errorf("exit %d: %s", a.Exit, a.Why)
	}
	if strings.Contains(a.Why, "confirmed") {
		t.Errorf("one trial confirms nothing: %s", a.Why)
	}
}

func TestRises(t *testing.T) {
	for name, c := range map[string]struct {
		v    []float64
		want bool
	}{
		"steady":     {[]float64{5, 6, 5, 7, 5, 6, 5, 6, 7, 5}, false},
		"grows":      {[]float64{5, 30, 60, 90, 130, 150, 170, 200, 240, 260}, true},
		"grows some": {[]float64{5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, false},
		"falls":      {[]float64{260, 200, 100, 50, 20, 10, 5, 5, 5, 5}, false},
		"one peak":   {[]float64{5, 5, 5, 5, 900, 5, 5, 5, 5, 5}, false},
		"too short":  {[]float64{1, 100, 1000}, false},
	} {
		if got := rises(c.v, 50, growth); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAxis(t *testing.T) {
	sc := &scenarios.Scenario{Traffic: []scenarios.Stream{
		{Name: "b", Rate: &scenarios.Rate{Constant: 30}}, {Name: "a", Rate: &scenarios.Rate{Poisson: 10}}, {Name: "c", Users: 4},
		{Name: "d", Rate: &scenarios.Rate{Max: true}},
	}}
	a, err := NewAxis(sc, nil, false)
	if err != nil || a.Written != 40 || !slices.Equal(a.Streams, []string{"a", "b"}) {
		t.Fatalf("%+v, %v", a, err)
	}
	if st := a.Step(80, time.Second); st.Rates["b"].Constant != 60 || st.Rates["a"].Poisson != 20 || st.Users != nil || st.Duration != time.Second {
		t.Errorf("%+v", st)
	}
	if u, err := NewAxis(sc, nil, true); err != nil || u.Step(9, 0).Users["c"] != 9 || u.Text(9) != "9 users" {
		t.Errorf("%+v, %v", u, err)
	}
	u := &Axis{Streams: []string{"a", "b", "c"}, Users: true, shares: map[string]float64{"a": 0.05, "b": 0.475, "c": 0.475}}
	for at := u.Least(); at < 100; at++ {
		sum := 0.0
		for name, part := range u.Parts(at) {
			if sum += part; part < 1 || part != math.Trunc(part) || math.Abs(part-at*u.shares[name]) > 1.5 {
				t.Errorf("%v users: %v of stream %s", at, part, name)
			}
		}
		if sum != at {
			t.Errorf("%v users are divided into %v", at, u.Parts(at))
		}
	}
	for name, users := range map[string]bool{"c": false, "d": false, "b": true, "no": false} {
		if _, err := NewAxis(sc, []string{name}, users); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
