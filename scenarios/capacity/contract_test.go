package capacity

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// summed answers steps by a function of the load of all streams.
type summed struct {
	verdict func(at float64) reports.Verdict
	after   func() // called after each step; nil: nothing
}

func (p *summed) Play(ctx context.Context, _ int, st runner.Step) (*reports.Run, string, error) {
	at, d := 0.0, max(st.Duration, time.Second)
	run := &reports.Run{DurationNS: int64(d), Why: []string{"as told"}, Streams: make(map[string]*reports.Stream)}
	add := func(name string, part float64) {
		at += part
		n := int64(part * d.Seconds())
		s := &reports.Stream{}
		s.Total.Counts = reports.Counts{Offered: n, Sent: n, Acked: n}
		for i := range int64(d / time.Second) {
			n := int64(part)
			s.Seconds = append(s.Seconds, reports.Second{StartNS: i * int64(time.Second), Counts: reports.Counts{Offered: n, Sent: n, Acked: n}, P50NS: new(int64(2e6))})
		}
		run.Streams[name] = s
	}
	for name, r := range st.Rates {
		add(name, r.Constant)
	}
	for name, n := range st.Users {
		add(name, float64(n))
	}
	if run.Verdict = p.verdict(at); run.Verdict == reports.Fail {
		run.Gates = []reports.Gate{{Expr: "a.p99 < 1s", Verdict: reports.Fail, Limit: new(1e9), Unit: "ns", Metric: "p99"}}
	}
	if p.after != nil {
		p.after()
	}
	return run, "trials/x", ctx.Err()
}

func (p *summed) Reset(context.Context) error { return errors.ErrUnsupported }

// Each kind of answer, over rates and users, of one stream and of several, is what other programs rely on: find and valid hold it to the
// contract after each trial.
func TestEveryAnswerIsOfTheContract(t *testing.T) {
	traffic := map[bool][]scenarios.Stream{
		false: {{Name: "a", Rate: &scenarios.Rate{Constant: 30}}, {Name: "b", Rate: &scenarios.Rate{Poisson: 10}}},
		true:  {{Name: "a", Users: 3}, {Name: "b", Users: 1}},
	}
	truth := func(truth float64) func(float64) reports.Verdict {
		return func(at float64) reports.Verdict { return upTo(truth)(at, 0) }
	}
	above := func(verdict reports.Verdict) func(float64) reports.Verdict {
		return func(at float64) reports.Verdict {
			if at > 100 {
				return verdict
			}
			return reports.Pass
		}
	}
	for name, c := range map[string]struct {
		verdict func(at float64) reports.Verdict
		steps   int // until the interrupt; 0: none
		answer  string
	}{
		"bracket":      {truth(100), 0, Bracket},
		"at least":     {truth(math.Inf(1)), 0, AtLeast},
		"below":        {truth(0), 0, Below},
		"nothing":      {func(float64) reports.Verdict { return reports.Inconclusive }, 0, Inconclusive},
		"not decided":  {above(reports.Inconclusive), 0, Inconclusive},
		"at once over": {truth(100), 1, Inconclusive},
		"interrupted":  {truth(100), 5, Inconclusive},
		"late":         {truth(100), 9, Bracket},
	} {
		for users, streams := range traffic {
			ctx, stop := context.WithCancel(t.Context())
			p := &summed{verdict: c.verdict}
			if n := 0; c.steps > 0 {
				p.after = func() {
					if n++; n == c.steps {
						stop()
					}
				}
			}
			search := func(ctx context.Context, before *Answer) *Answer {
				sc := &scenarios.Scenario{Name: "x", Traffic: streams, Expect: []scenarios.Gate{{Expr: "a.p99 < 1s", Stream: "a"}}}
				axis, err := NewAxis(sc, nil, users)
				if err != nil {
					t.Fatal(err)
				}
				a, err := Find(ctx, sc, Asked{Axis: axis, From: 10, Most: 1000, Width: 0.05, Trial: 10 * time.Second, Before: before}, p, func(a *Answer, _ Progress) { valid(t, a) })
				if err != nil {
					t.Fatal(err)
				}
				valid(t, a)
				return a
			}
			a := search(ctx, nil)
			if a.Answer != c.answer || len(a.Streams) != 2 || (a.Unit == "count") != users {
				t.Errorf("%s, users %t: %s, %s: %s", name, users, a.Answer, a.Unit, a.Why)
			}
			stop()
			raw, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			before := new(Answer)
			if err := json.Unmarshal(raw, before); err != nil {
				t.Fatal(err)
			}
			if again := search(t.Context(), before); c.steps > 0 && again.Answer != Bracket {
				t.Errorf("%s, users %t: gone on with: %s", name, users, again.Why)
			}
		}
	}
	valid(t, Failed("x", reports.ExitUsage, "no such file"))
}
