package runner

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// breaker is a fault that fails every operation while any of its rounds is in force.
type breaker struct {
	recordingFault
	inForce *atomic.Int64
}

func (b *breaker) Open(faults.Env) (faults.Fault, error) { return b, nil }
func (b *breaker) Inject(context.Context) error          { b.injected++; b.inForce.Add(1); return nil }
func (b *breaker) Heal(context.Context) error            { b.healed++; b.inForce.Add(-1); return nil }
func (b *breaker) Bite() faults.Bite                     { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

// refusingIn is a driver whose target refuses while a breaker is in force.
func refusingIn(inForce *atomic.Int64) *memory {
	return &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
		if inForce.Load() > 0 {
			at.Wire, at.Answered = true, true
			at.Fail(drivers.Rejected, "http_400", "")
			return
		}
		ack(ctx, at, time.Millisecond)
	}}
}

// A fault with rounds: each is injected and healed by itself and has its number, and all share their windows. Gates on these
// windows cover all rounds.
func TestRoundsOfAFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var inForce atomic.Int64
		m := refusingIn(&inForce)
		sc := scenario(t, scenarios.Timing{Duration: 30 * time.Second}, []scenarios.Stream{openStream("a", 100, m)},
			"a.errors == 0 during baseline", "a.errors == 100% during cut", "a.errors == 0 after cut", "a.recovery < 1s after cut", "a.detection < 1s after cut")
		var rounds []*breaker
		plan := func(round int, at, length time.Duration) scenarios.Fault {
			b := &breaker{inForce: &inForce}
			rounds = append(rounds, b)
			return scenarios.Fault{Name: "cut", Round: round, At: at*time.Second + 5*time.Millisecond, For: length * time.Second, Config: b}
		}
		// The first two rounds are at the same time, as for a grudge on two links. No operation is due exactly at their begin
		// or end.
		sc.Faults = []scenarios.Fault{plan(1, 5, 2), plan(2, 5, 2), plan(3, 15, 3)}
		run := mustRun(t, t.Context(), sc, Options{})
		for i, b := range rounds {
			f := run.Faults[i]
			if b.injected != 1 || b.healed != 1 || f.Round != i+1 || !f.Bit || !f.Healed || f.Recovered == nil || !*f.Recovered {
				t.Errorf("round %d: injected %d times, healed %d times, told as %+v", i+1, b.injected, b.healed, f)
			}
		}
		if titles := []string{run.Faults[0].Title(), run.Faults[2].Title()}; !slices.Equal(titles, []string{"cut #1", "cut #3"}) {
			t.Errorf("titles %q", titles)
		}
		for window, want := range map[string]int64{"baseline": 501, "cut": 500, "after cut": 1999} {
			if got := run.Streams["a"].Windows[window].Offered; got != want {
				t.Errorf("%d operations in the window %s, want %d", got, window, want)
			}
		}
		if run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
		for _, g := range run.Gates {
			if g.Verdict != reports.Pass {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
		}
	})
}

// Two faults overlap. The one that ends first must not fail to recover because of the other. Its own bad seconds must not count
// for the later one.
func TestRecoveryBesideAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var inForce atomic.Int64
		m := refusingIn(&inForce)
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 100, m)},
			"a.recovery < 1s after short", "a.recovery < 1s after long")
		plan := func(name string, at, length time.Duration) scenarios.Fault {
			return scenarios.Fault{Name: name, At: at + 5*time.Millisecond, For: length, Config: &breaker{inForce: &inForce}}
		}
		sc.Faults = []scenarios.Fault{plan("short", 5*time.Second, 2500*time.Millisecond), plan("long", 6*time.Second, 6*time.Second)}
		run := mustRun(t, t.Context(), sc, Options{})
		short, long := run.Faults[0], run.Faults[1]
		if short.Recovered != nil || short.DetectionNS == nil || long.DetectionNS != nil || long.Recovered == nil || !*long.Recovered {
			t.Errorf("short %+v, long %+v", short, long)
		}
		if run.Gates[0].Verdict != reports.Inconclusive || run.Gates[1].Verdict != reports.Pass {
			t.Errorf("gates %+v", run.Gates)
		}
	})
}

// A round that touched no traffic leaves the run inconclusive, whatever the others did, and the reason names the round.
func TestRoundThatNeverBit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var inForce atomic.Int64
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Faults = []scenarios.Fault{
			{Name: "cut", Round: 1, At: 5 * time.Second, For: time.Second, Config: &breaker{inForce: &inForce}},
			{Name: "cut", Round: 2, At: 10 * time.Second, For: time.Second, Config: &nowhere{}},
		}
		run := mustRun(t, t.Context(), sc, Options{})
		want := "fault cut #2 touched no traffic: no byte, connection or request met it"
		if run.Verdict != reports.Inconclusive || !slices.Contains(run.Why, want) {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

// nowhere is a fault that touches no traffic.
type nowhere struct{ recordingFault }

func (m *nowhere) Open(faults.Env) (faults.Fault, error) { return m, nil }
func (m *nowhere) Bite() faults.Bite                     { return faults.Bite{Connections: -1, Bytes: -1} }

// A fault whose mechanism cannot tell what it touched decides nothing, and says why it cannot.
func TestWhatCannotBeMeasuredDecidesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0 during cut")
		sc.Faults = []scenarios.Fault{{Name: "cut", At: 5 * time.Second, For: 5 * time.Second, Config: &unmeasured{}}}
		run := mustRun(t, t.Context(), sc, Options{})
		want := "fault cut touched nothing that can be shown: the server draws"
		if run.Verdict != reports.Inconclusive || !slices.Contains(run.Why, want) || run.Faults[0].Unmeasured != "the server draws" {
			t.Errorf("verdict %s: %q, %+v", run.Verdict, run.Why, run.Faults[0])
		}
		if g := run.Gates[0]; g.Verdict != reports.Inconclusive || g.Why != "the fault was not in force: it touched nothing that can be shown" {
			t.Errorf("gate %+v", g)
		}
	})
}

// unmeasured is a fault that cannot tell what it touched.
type unmeasured struct{ recordingFault }

func (m *unmeasured) Open(faults.Env) (faults.Fault, error) { return m, nil }
func (m *unmeasured) Bite() faults.Bite {
	return faults.Bite{Unmeasured: "the server draws", Connections: -1, Bytes: -1}
}

// slowToHeal is a fault that heals slowly and excludes every other.
type slowToHeal struct{ breaker }

func (s *slowToHeal) Open(faults.Env) (faults.Fault, error) { return s, nil }
func (s *slowToHeal) Excludes(other faults.Config) bool     { _, same := other.(*slowToHeal); return same }
func (s *slowToHeal) Heal(ctx context.Context) error {
	time.Sleep(1500 * time.Millisecond)
	return s.breaker.Heal(ctx)
}

// A round waits until the one before it is healed. A window that mostly lies outside its fault decides nothing.
func TestRoundsOfAFaultThatHealsSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			length time.Duration
			late   bool
		}{{4 * time.Second, false}, {2 * time.Second, true}} {
			var inForce atomic.Int64
			sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
			first, second := &slowToHeal{breaker{inForce: &inForce}}, &slowToHeal{breaker{inForce: &inForce}}
			sc.Faults = []scenarios.Fault{
				{Name: "cut", Round: 1, At: 4 * time.Second, For: c.length, Config: first},
				{Name: "cut", Round: 2, At: 4*time.Second + c.length, For: c.length, Config: second},
			}
			run := mustRun(t, t.Context(), sc, Options{})
			if got := time.Duration(run.Faults[1].StartNS); got != 4*time.Second+c.length+1500*time.Millisecond {
				t.Errorf("the second round began at %v, before the first was healed", got)
			}
			late := slices.ContainsFunc(run.Why, func(why string) bool { return strings.Contains(why, "fault cut #2 started 1.5 s late") })
			if late != c.late || late != (run.Verdict == reports.Inconclusive) {
				t.Errorf("rounds of %v: verdict %s: %q", c.length, run.Verdict, run.Why)
			}
		}
	})
}

// slowToBreak is a fault that takes longer to come into force than it lasts.
type slowToBreak struct{ breaker }

func (s *slowToBreak) Open(faults.Env) (faults.Fault, error) { return s, nil }
func (s *slowToBreak) Inject(ctx context.Context) error {
	time.Sleep(3 * time.Second)
	return s.breaker.Inject(ctx)
}

func TestFaultThatIsNeverInForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var inForce atomic.Int64
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Faults = []scenarios.Fault{{Name: "cut", At: 4 * time.Second, For: 2 * time.Second, Config: &slowToBreak{breaker{inForce: &inForce}}}}
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Inconclusive || !slices.Contains(run.Why, "fault cut took 3 s to come into force, and was to last 2 s: make it longer") {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}
