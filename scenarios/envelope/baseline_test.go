package envelope

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/runner"
)

// scripted plays a frontier: by load the worst intensity that passes. Each trial takes no time.
type scripted struct {
	asked    *Asked
	frontier map[float64]float64 // in the axis' unit
	after    int                 // trials until stop; 0: none
	stop     func()
	played   []string
	tried    float64 // what the next trial has
}

func (s *scripted) Reset(context.Context) error { return nil }

func (s *scripted) Play(_ context.Context, at int, st runner.Step) (*reports.Run, string, error) {
	run := &reports.Run{Verdict: reports.Pass, DurationNS: int64(10 * time.Second), Streams: map[string]*reports.Stream{"a": {}}}
	total := &run.Streams["a"].Total
	total.Offered, total.Acked = 100, 100
	run.Validity.Verdict = reports.Valid
	if at > 0 {
		worse := s.tried > s.frontier[st.Rates["a"].Constant]
		if s.asked.Axis.Less {
			worse = s.tried < s.frontier[st.Rates["a"].Constant]
		}
		if worse {
			run.Verdict, run.Why = reports.Fail, []string{"scripted"}
			run.Gates = []reports.Gate{{Expr: "a.errors < 1%", Verdict: reports.Fail}}
		}
		if s.played = append(s.played, st.Scenario.Name); len(s.played) == s.after {
			s.stop()
		}
	}
	return run, "", nil
}

// scriptedAnswer searches on a script, and returns what stands in the file.
func scriptedAnswer(t *testing.T, s *scripted, fault string, bounds Bounds, change func(*Asked, *scenarios.Scenario)) *Answer {
	t.Helper()
	b := &bench{service: newService(1, time.Millisecond), text: scenarioOf(fault, "a.errors < 1%")}
	sc, err := b.read(nil)
	if err != nil {
		t.Fatal(err)
	}
	axis, err := NewAxis(sc, bounds)
	if err != nil {
		t.Fatal(err)
	}
	scale, err := capacity.NewAxis(sc, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	asked := Asked{Axis: axis, Scale: scale, Loads: []float64{10, 20}}
	if change != nil {
		change(&asked, sc)
	}
	s.asked = &asked
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s.stop = stop
	a, err := Find(ctx, sc, asked, func(c *scenarios.Change) (*scenarios.Scenario, error) {
		v, _, err := parseQuantity(c.Value)
		s.tried = v
		return b.reread(c, err)
	}, s, func(*Answer, Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, a)
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	out := new(Answer)
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bench) reread(c *scenarios.Change, err error) (*scenarios.Scenario, error) {
	if err != nil {
		return nil, err
	}
	return b.read(c)
}

const (
	lateFault = "{name: slow, at: 4s, for: 4s, harm: a, latency: 100ms}"
	leftFault = "{name: starved, at: 4s, for: 4s, harm: a, left: 50%}"
	atMS      = float64(time.Millisecond)
)

// The verdict follows from both bounds at each load, then and now. One load that tolerates less for certain fails, whatever the others do.
func TestBaseline(t *testing.T) {
	more, less := Bounds{From: "10ms", Most: "1s", Width: 0.1}, Bounds{From: "5%", Most: "100%", Width: 0.1}
	for name, c := range map[string]struct {
		fault     string
		bounds    Bounds
		then, now [2]float64 // at both loads
		tolerance float64
		verdict   reports.Verdict
		exit      int
		why       string
	}{
		"same":                   {lateFault, more, [2]float64{300 * atMS, 100 * atMS}, [2]float64{300 * atMS, 100 * atMS}, 0.2, reports.Pass, 0, "would be enough"},
		"same, nothing may miss": {lateFault, more, [2]float64{300 * atMS, 100 * atMS}, [2]float64{300 * atMS, 100 * atMS}, 0, reports.Inconclusive, 2, "the bounds overlap"},
		"half at one load":       {lateFault, more, [2]float64{300 * atMS, 100 * atMS}, [2]float64{300 * atMS, 50 * atMS}, 0.2, reports.Fail, 1, "at 20/s it fails at"},
		"the most, twice":        {lateFault, more, [2]float64{2e9, 2e9}, [2]float64{2e9, 2e9}, 0.2, reports.Pass, 0, "nothing worse than 1 s was tried"},
		"no more the most":       {lateFault, more, [2]float64{2e9, 2e9}, [2]float64{2e9, 950 * atMS}, 0.2, reports.Inconclusive, 2, "how much more is not known"},
		"nothing now":            {lateFault, more, [2]float64{300 * atMS, 100 * atMS}, [2]float64{300 * atMS, 1 * atMS}, 0.2, reports.Fail, 1, "it fails at 10 ms, and 80 % of"},
		"less is worse, same":    {leftFault, less, [2]float64{0.2, 0.4}, [2]float64{0.2, 0.4}, 0.2, reports.Pass, 0, "125 % of"},
		"less is worse, twice":   {leftFault, less, [2]float64{0.2, 0.4}, [2]float64{0.2, 0.8}, 0.2, reports.Fail, 1, "at 20/s it fails at"},
		"less is worse, better":  {leftFault, less, [2]float64{0.2, 0.4}, [2]float64{0.1, 0.2}, 0, reports.Pass, 0, "is tolerated"},
	} {
		then := scriptedAnswer(t, &scripted{frontier: map[float64]float64{10: c.then[0], 20: c.then[1]}}, c.fault, c.bounds, nil)
		a := scriptedAnswer(t, &scripted{frontier: map[float64]float64{10: c.now[0], 20: c.now[1]}}, c.fault, c.bounds, func(asked *Asked, sc *scenarios.Scenario) {
			var err error
			if asked.Baseline, err = NewBaseline("envelope.json", then, c.tolerance, asked, sc); err != nil {
				t.Fatal(err)
			}
		})
		if a.Baseline.Verdict != string(c.verdict) || a.Exit != c.exit || !strings.Contains(a.Baseline.Why, c.why) || !strings.Contains(a.Why, a.Baseline.Why) {
			t.Errorf("%s: exit %d, %+v; %s", name, a.Exit, a.Baseline, a.Why)
		}
	}
}

// An answer to another question is no baseline, and no search to go on with.
func TestAnotherQuestion(t *testing.T) {
	bounds := Bounds{From: "10ms", Most: "1s", Width: 0.1}
	script := func() *scripted { return &scripted{frontier: map[float64]float64{10: 300 * atMS, 20: 100 * atMS}} }
	for why, change := range map[string]func(*Answer){
		"no answer of wringer envelope": func(a *Answer) { a.Search = nil },
		"it is of scenario other":       func(a *Answer) { a.Name = "other" },
		"it searched slow.jitter":       func(a *Answer) { a.Axis = "slow.jitter" },
		"it scaled the rate of b":       func(a *Answer) { a.Streams = []string{"b"} },
		"its gates are b.errors < 1%":   func(a *Answer) { a.Search.Gates = []string{"b.errors < 1%"} },
		"its trials lasted 1 s":         func(a *Answer) { a.Search.Trial = 1 },
		"it has nothing at 20/s":        func(a *Answer) { a.Frontier = a.Frontier[:1] },
		"it has no certain bound": func(a *Answer) {
			for _, r := range a.Frontier {
				r.Answer = capacity.Inconclusive
			}
		},
	} {
		saved := scriptedAnswer(t, script(), lateFault, bounds, nil)
		change(saved)
		scriptedAnswer(t, script(), lateFault, bounds, func(asked *Asked, sc *scenarios.Scenario) {
			if _, err := NewBaseline("envelope.json", saved, 0.2, asked, sc); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v", why, err)
			}
		})
	}
	for why, change := range map[string]func(*Answer){
		"in 7 steps":                func(a *Answer) { a.Search.Steps = 7 },
		"from 20 ms to":             func(a *Answer) { a.From = 20 * atMS },
		"its loads are 10/s":        func(a *Answer) { a.Frontier = a.Frontier[:1] },
		"is none of this search":    func(a *Answer) { a.Trials[0].At++ },
		"it is of scenario another": func(a *Answer) { a.Name = "another" },
		"it is no answer":           func(a *Answer) { a.Trials[0] = nil },
	} {
		saved := scriptedAnswer(t, script(), lateFault, bounds, nil)
		change(saved)
		scriptedAnswer(t, script(), lateFault, bounds, func(asked *Asked, sc *scenarios.Scenario) {
			if err := asked.Resumes(saved, sc.Name); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v", why, err)
			}
		})
	}
}

// A search that is interrupted after any trial and gone on with makes the trials of one that was not, and has its answer.
func TestResume(t *testing.T) {
	bounds := Bounds{From: "10ms", Most: "1s", Width: 0.2}
	frontier := map[float64]float64{10: 300 * atMS, 20: 100 * atMS}
	whole := scriptedAnswer(t, &scripted{frontier: frontier}, lateFault, bounds, nil)
	for after := 1; after < len(whole.Trials); after++ {
		part := scriptedAnswer(t, &scripted{frontier: frontier, after: after}, lateFault, bounds, nil)
		if part.Exit != reports.ExitInterrupted || len(part.Trials) >= len(whole.Trials) {
			t.Fatalf("after %d: exit %d, %d trials", after, part.Exit, len(part.Trials))
		}
		rest := &scripted{frontier: frontier}
		a := scriptedAnswer(t, rest, lateFault, bounds, func(asked *Asked, sc *scenarios.Scenario) {
			if err := asked.Resumes(part, sc.Name); err != nil {
				t.Fatal(err)
			}
			asked.Before = part
		})
		if !reflect.DeepEqual(a.Frontier, whole.Frontier) || len(a.Trials) != len(whole.Trials) || len(rest.played) != len(whole.Trials)-len(part.Trials) || a.Why != whole.Why {
			t.Errorf("after %d: %s; want %s", after, a.Why, whole.Why)
		}
		if !a.Started.Equal(part.Started) || a.Seconds < part.Seconds {
			t.Errorf("after %d: begun %s and %s, %v s and %v s", after, part.Started, a.Started, part.Seconds, a.Seconds)
		}
	}
}
