package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// endings keeps every operation that ended, by stream.
type endings struct {
	mu  sync.Mutex
	all map[string][]ending
}

type ending struct {
	seq     uint64
	planned time.Duration
	outcome drivers.Outcome
}

func (*endings) Begin(reports.Begun)      {}
func (*endings) Finish() *reports.Samples { return nil }

func (e *endings) Ended(stream string, op *reports.Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all[stream] = append(e.all[stream], ending{op.Op.Seq, op.Op.Planned, op.Outcome})
}

func (*endings) Settled(string, time.Duration) {}

// spanned is a scenario of random phases, named steps and fault rounds, and the spans that it was made of.
type spanned struct {
	sc    *scenarios.Scenario
	spans map[string][]faults.Span // by stream
}

// randomSpans draws times in whole, half and odd seconds, so that borders often coincide.
func randomSpans(t *testing.T, seed uint64) spanned {
	rng := rand.New(rand.NewPCG(seed, 7))
	at := func(limit time.Duration) time.Duration {
		unit := []time.Duration{time.Second, 500 * time.Millisecond, 137 * time.Millisecond}[rng.IntN(3)]
		return time.Duration(rng.Int64N(int64(limit/unit)+1)) * unit
	}
	duration := 4*time.Second + at(8*time.Second)
	var inForce atomic.Int64
	log, topic := newLog(), newLog()
	a, b := effective(openStream("a", 1, nil), log), openStream("b", 1, prompt())
	a.Driver = &uneven{log: log, topic: topic, inForce: &inForce}
	sc := scenario(t, scenarios.Timing{Duration: duration, Drain: time.Second, Warmup: at(2 * time.Second)}, nil)
	out := spanned{sc: sc, spans: make(map[string][]faults.Span)}
	var shared []faults.Span
	for i := range rng.IntN(4) {
		start := at(duration - time.Second)
		f := scenarios.Fault{Name: []string{"f", "g"}[rng.IntN(2)], Round: i + 1, At: start, For: min(500*time.Millisecond+at(3*time.Second), duration-start), Config: &breaker{inForce: &inForce}}
		sc.Faults = append(sc.Faults, f)
		shared = append(shared, faults.Span{Name: f.Name, Start: f.At, End: f.End()})
	}
	for i, start := 0, at(2*time.Second); i < 3 && start < duration; i++ {
		p := scenarios.Phase{Name: fmt.Sprint("p", i), At: start, For: min(300*time.Millisecond+at(duration), duration-start)}
		sc.Phases = append(sc.Phases, p)
		shared = append(shared, faults.Span{Name: p.Name, Start: p.At, End: p.End(), Kind: faults.PhaseSpan})
		start = p.End() + at(2*time.Second)
	}
	for _, s := range []*scenarios.Stream{&a, &b} {
		var start time.Duration
		own := slices.Clone(shared)
		rate := &scenarios.Rate{}
		for i := range 1 + rng.IntN(4) {
			step := scenarios.Step{Rate: scenarios.PerSecond(50 + 50*rng.IntN(3)), For: 500*time.Millisecond + at(3*time.Second)}
			if rng.IntN(2) == 0 && start < duration {
				step.Name = fmt.Sprint("s", i)
				own = append(own, faults.Span{Name: step.Name, Start: start, End: start + step.For, Kind: faults.StepSpan})
			}
			start += step.For
			rate.Steps = append(rate.Steps, step)
		}
		if last := len(rate.Steps) - 1; rate.Steps[last].Name != "" {
			own[len(own)-1].End = duration
		}
		s.Rate = rate
		out.spans[s.Name] = own
	}
	sc.Traffic = []scenarios.Stream{a, b, reader(topic, "a", false)}
	out.spans["c"] = out.spans["a"]
	return out
}

// placeOf tells slowly which window holds a time, and which base.
func placeOf(spans []faults.Span, at time.Duration) (name, base string) {
	var force [3]*faults.Span
	var over *faults.Span
	for i := range spans {
		s := &spans[i]
		if s.Start <= at && at < s.End && (force[s.Kind] == nil || s.Start >= force[s.Kind].Start) {
			force[s.Kind] = s
		}
		ended := s.Kind == faults.FaultSpan && s.End <= at
		if ended && (over == nil || s.End > over.End || s.End == over.End && s.Start >= over.Start) {
			over = s
		}
	}
	base = faults.Baseline
	if over != nil {
		base = faults.After(over.Name)
	}
	for kind, s := range force {
		if s != nil && faults.SpanKind(kind) == faults.FaultSpan {
			return s.Name, ""
		}
		if s != nil {
			return s.Name, base
		}
	}
	return base, base
}

// tallied is what a window or the scope of a gate holds.
type tallied struct{ sent, acked, rejected, lost int64 }

func (n *tallied) add(e ending) {
	n.sent++
	switch e.outcome {
	case drivers.Acked:
		n.acked++
		if e.seq%97 == 5 && e.seq%41 != 0 {
			n.lost++
		}
	case drivers.Rejected:
		n.rejected++
	}
}

// Phases, named steps and faults of any place divide each stream as the rule says: windows add up, and a gate counts what its
// window covers. An interrupted end changes nothing of that.
func TestRandomWindowsAddUp(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 12, 4)) { // every fourth is interrupted
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { checkRandomWindows(t, seed) })
		})
	}
}

func checkRandomWindows(t *testing.T, seed uint64) {
	x := randomSpans(t, seed)
	scopes := make(map[string][]string)
	for _, stream := range []string{"a", "b", "c"} {
		for _, w := range faults.Windows(x.spans[stream], x.sc.Run.Duration) {
			for _, name := range []string{w.Name, w.Base} {
				if name != "" && name != faults.Drain && !slices.Contains(scopes[stream], name) {
					scopes[stream] = append(scopes[stream], name)
				}
			}
		}
	}
	metrics := map[string][]string{"a": {"offered < 1000000000", "lost < 1000000000"}, "b": {"offered < 1000000000"}, "c": {"lost < 1000000000"}}
	for stream, names := range scopes {
		for _, name := range names {
			scope := " during " + name
			if len(name) > 6 && name[:6] == "after " {
				scope = " " + name
			}
			for _, m := range metrics[stream] {
				x.sc.Expect = append(x.sc.Expect, mustGate(t, stream+"."+m+scope))
			}
		}
	}
	ctx := t.Context()
	interrupted := seed%4 == 3
	if interrupted {
		shortened, cancel := context.WithTimeout(ctx, x.sc.Run.Warmup+x.sc.Run.Duration*2/3)
		defer cancel()
		ctx = shortened
	}
	results := &endings{all: make(map[string][]ending)}
	var last *reports.Run
	run := mustRun(t, ctx, x.sc, Options{Results: results, Watch: func(partial *reports.Run, _ Progress) {
		last = partial
		for name, s := range partial.Streams {
			var sum reports.Counts
			for _, m := range s.Windows {
				sum.Add(m.Counts)
			}
			if sum != s.Total.Counts {
				t.Errorf("%s: windows of a partial record add up to %+v, the total is %+v", name, sum, s.Total.Counts)
			}
		}
	}})
	for name, s := range run.Streams {
		for window, m := range s.Windows {
			if got := last.Streams[name].Windows[window]; got == nil || got.Counts != m.Counts {
				t.Errorf("%s in %s: the last partial record has %+v, the record %+v", name, window, got, m.Counts)
			}
		}
	}
	if interrupted != (run.DurationNS < run.PlannedNS) {
		t.Fatalf("ended at %d of %d", run.DurationNS, run.PlannedNS)
	}
	for _, stream := range []string{"a", "b"} {
		x.compareWindows(t, run, stream, results.all[stream])
	}
	for i := range run.Gates {
		x.compareGate(t, &run.Gates[i], results.all, interrupted)
	}
}

// compareWindows counts the operations of each window by hand.
func (x spanned) compareWindows(t *testing.T, run *reports.Run, stream string, all []ending) {
	want := make(map[string]*tallied)
	for _, e := range all {
		name, _ := placeOf(x.spans[stream], e.planned)
		if want[name] == nil {
			want[name] = &tallied{}
		}
		want[name].add(e)
	}
	for name, m := range run.Streams[stream].Windows {
		w := want[name]
		if w == nil {
			w = &tallied{}
		}
		if m.Sent != w.sent || m.Counts.Acked != w.acked || m.Rejected != w.rejected {
			t.Errorf("%s in %s: sent %d, acked %d, rejected %d, want %+v", stream, name, m.Sent, m.Counts.Acked, m.Rejected, *w)
		}
		if m.Integrity != nil && m.Integrity.Lost != nil && *m.Integrity.Lost != w.lost {
			t.Errorf("%s in %s: lost %d, want %d", stream, name, *m.Integrity.Lost, w.lost)
		}
		delete(want, name)
	}
	for name, w := range want {
		t.Errorf("%s: the record has no window %s, which holds %+v", stream, name, *w)
	}
}

// compareGate counts by hand what a gate's window covers.
func (x spanned) compareGate(t *testing.T, g *reports.Gate, all map[string][]ending, interrupted bool) {
	operations := g.Stream
	if operations == "c" {
		operations = "a"
	}
	var want tallied
	for _, e := range all[operations] {
		if name, base := placeOf(x.spans[operations], e.planned); name == *g.Window || base == *g.Window {
			want.add(e)
		}
	}
	expected := float64(want.sent)
	if g.Metric == "lost" {
		expected = float64(want.lost)
	}
	switch {
	case g.Observed == nil && interrupted:
	case g.Observed == nil && want.acked == 0 && g.Metric == "lost": // nothing was put to the test
	case g.Observed == nil || *g.Observed != expected:
		t.Errorf("%s: observed %s (%s), want %v", g.Expr, inWords(g.Observed), g.Why, expected)
	}
}
