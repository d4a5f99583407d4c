package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios/runner"
	"wringer/scenarios/runner/judge"
)

// busyMachine is a token bucket on a machine that other programs hold in every second. Each operation is late by chance, and several times a
// second all that are due arrive in a bunch. What waits is answered as late as it arrives.
type busyMachine struct {
	rng         *rand.Rand
	rate, depth float64
	stall       float64 // of the longest, in seconds; a second has two in the mean
	slow        float64 // what an answer takes beside it, in seconds, from half the rate on: one that is starved
	late        bool    // the load generator is late too, and the run leaves the gate open
}

// arrivals are the times of arrival, in order of the plan.
func (m *busyMachine) arrivals(at, seconds float64) (planned, arrived []float64) {
	var stalls [][2]float64
	for t := 0.0; t < seconds; t += m.rng.ExpFloat64() / 2 {
		stalls = append(stalls, [2]float64{t, t + m.stall*m.rng.Float64()})
	}
	for i := range int(at * seconds) {
		p := float64(i) / at
		a := p + 0.0008*m.rng.ExpFloat64()
		for _, s := range stalls {
			if s[0] <= a && a < s[1] {
				a = s[1]
			}
		}
		planned, arrived = append(planned, p), append(arrived, a)
	}
	return planned, arrived
}

// play makes a run of it.
func (m *busyMachine) play(run *reports.Run, st runner.Step) {
	seconds := time.Duration(run.DurationNS).Seconds()
	planned, arrived := m.arrivals(st.Rates["a"].Constant, seconds)
	order := make([]int, len(arrived))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(1e9 * (arrived[a] - arrived[b])) })
	tokens, last := m.depth, 0.0
	s := run.Streams["a"]
	for i := range s.Seconds {
		s.Seconds[i].Counts, s.Seconds[i].Busy = reports.Counts{}, true
	}
	var took []float64
	for _, i := range order {
		row := &s.Seconds[min(int(planned[i]), len(s.Seconds)-1)]
		tokens, last = math.Min(m.depth, tokens+m.rate*(arrived[i]-last)), arrived[i]
		row.Offered, row.Sent = row.Offered+1, row.Sent+1
		ns := 1e9 * (arrived[i] - planned[i] + 0.0005)
		if tokens >= 1 {
			tokens--
			row.Acked++
			if st.Rates["a"].Constant > m.rate/2 {
				ns += 1e9 * m.slow
			}
		} else {
			row.Rejected++
		}
		took = append(took, ns)
	}
	s.Total.Counts = reports.Counts{}
	for i := range s.Seconds {
		s.Total.Counts.Add(s.Seconds[i].Counts)
	}
	m.measure(&s.Total, took)
	errors := float64(s.Total.Rejected) / float64(s.Total.Offered)
	run.Verdict, run.Gates = reports.Pass, []reports.Gate{{Expr: "a.errors < 1%", Stream: "a", Verdict: reports.Pass, Observed: &errors, Limit: new(0.01), Unit: "ratio", Metric: "errors"}}
	if errors >= 0.01 {
		run.Verdict, run.Gates[0].Verdict = reports.Fail, reports.Fail
		if m.late {
			run.Verdict, run.Gates[0].Verdict, run.Gates[0].Why = reports.Inconclusive, reports.Inconclusive, judge.ViolatedApart+"the load generator was late"
		}
	}
}

func (m *busyMachine) measure(total *reports.Measures, took []float64) {
	slices.Sort(took)
	rank := func(percent float64) *float64 { return &took[int(percent/100*float64(len(took)-1))] }
	total.Response = &reports.Latency{Mean: rank(50), P50: rank(50), P90: rank(90), P95: rank(95), P99: rank(99), P999: rank(99.9)}
	for _, percent := range []float64{10, 25, 75, 97.5} {
		total.Spread = append(total.Spread, reports.Quantile{Percent: percent, NS: *rank(percent)})
	}
}

// A token bucket on a machine that is always busy gets both bounds, and the upper one is not certain. Long bunches, and a target that answers
// ever later, show no upper bound. None shows a wrong one.
func TestABucketOnABusyMachine(t *testing.T) {
	const truth, seeds = 200, 5
	for name, c := range map[string]struct {
		stall, slow float64
		late        bool
		bounds      int
	}{
		"late by little": {0, 0, false, seeds}, "short stalls": {0.03, 0, false, seeds}, "long stalls": {0.12, 0, false, 0}, "starved": {0.03, 0.1, false, 0},
		"short stalls, left open": {0.03, 0, true, seeds}, "long stalls, left open": {0.12, 0, true, 0}, "starved, left open": {0.03, 0.1, true, 0},
	} {
		found := 0
		for seed := range uint64(seeds) {
			m := &busyMachine{rng: rand.New(rand.NewPCG(seed, 14)), rate: truth, depth: 10, stall: c.stall, slow: c.slow, late: c.late}
			a := find(t, t.Context(), &scripted{verdict: upTo(math.Inf(1)), change: m.play}, nil)
			if a.Lower == nil || a.Lower.At > truth*1.015 || a.Upper != nil && (a.Upper.At < 0.97*truth || a.Upper.Certain) {
				t.Errorf("%s, seed %d: %s", name, seed, a.Why)
			}
			if a.Upper == nil {
				continue
			}
			if found++; !a.Upper.Busy || !strings.Contains(a.Why, "not certain: operations failed at") {
				t.Errorf("%s, seed %d: %s", name, seed, a.Why)
			}
			if found == 1 {
				t.Log(a.Why)
			}
		}
		if found != c.bounds {
			t.Errorf("%s: %d of %d have an upper bound, want %d", name, found, seeds, c.bounds)
		}
	}
}

// A machine that is free between whiles makes the bound certain: a trial that it took the certainty from is made again.
func TestABusyTrialIsMadeAgain(t *testing.T) {
	m := &busyMachine{rng: rand.New(rand.NewPCG(1, 14)), rate: 200, depth: 10}
	steps := 0
	a := find(t, t.Context(), &scripted{verdict: upTo(math.Inf(1)), change: func(run *reports.Run, st runner.Step) {
		m.play(run, st)
		if steps++; steps%2 == 0 {
			for i := range run.Streams["a"].Seconds {
				run.Streams["a"].Seconds[i].Busy = false
			}
		}
	}}, nil)
	if a.Upper == nil || !a.Upper.Certain || a.Upper.Busy || a.Upper.At < 200 || a.Upper.At/a.Lower.At > 1.06 || strings.Contains(a.Why, "not certain") {
		t.Error(a.Why)
	}
}
