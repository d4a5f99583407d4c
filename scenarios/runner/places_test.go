package runner

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// discard is the record's file of an output.
type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// A tap hands over the lines that a part writes, and says when some are missing.
func TestTapOfAnOutput(t *testing.T) {
	var o outputs
	open := o.opener(func(string) (io.WriteCloser, error) { return discard{io.Discard}, nil })
	w, err := open("payment")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "before\n")
	if _, err := o.follow("other"); !errors.Is(err, drivers.ErrConfig) {
		t.Errorf("a part without an output: %v", err)
	}
	lines, err := o.follow("payment")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "one\r\ntw")
	if line, err := lines.Next(t.Context()); string(line) != "one" || err != nil || lines.Drained() {
		t.Errorf("%q, %v, drained %v with half a line left", line, err, lines.Drained())
	}
	io.WriteString(w, "o\n")
	if line, err := lines.Next(t.Context()); string(line) != "two" || err != nil || !lines.Drained() {
		t.Errorf("%q, %v", line, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lines.Next(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	io.WriteString(w, strings.Repeat("x", mostUnended+1))
	if _, err := lines.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "are missing") {
		t.Errorf("a line without an end: %v", err)
	}
	lines.Close()
	if len(o.taps["payment"]) != 0 {
		t.Error("a closed tap is still written to")
	}
}

// Each of two places has counts, evidence and gates of its own. A duplicate in one of them is named.
func TestTwoPlaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ledger, events := newLog(), newLog()
		run := mustRun(t, t.Context(), inTwoPlaces(t, ledger, events), Options{})
		want := map[string]reports.Verdict{
			"a.effect_duplicates == 0": reports.Fail, "a.lost == 0": reports.Pass, "a.effect.p99 < 5s": reports.Pass,
			"a.effect(ledger).duplicates == 0": reports.Pass, "a.effect(events).duplicates == 0": reports.Fail,
			"a.effect(ledger).p99 < 5s": reports.Pass, "a.effect(events).lost == 0 during baseline": reports.Pass,
		}
		for _, g := range run.Gates {
			if g.Verdict != want[g.Expr] {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
			if g.Expr == "a.effect_duplicates == 0" && !strings.Contains(g.Why, "(1 in events)") {
				t.Errorf("the place is not named: %s", g.Why)
			}
		}
		places := run.Streams["a"].Places
		if len(places) != 2 || *places[0].Total.Integrity.EffectDuplicates != 0 || *places[1].Total.Integrity.EffectDuplicates != 1 || places[1].Total.Effect.Count != 60 {
			t.Errorf("places %+v", places)
		}
		if broken := reports.Sums(run); len(broken) > 0 {
			t.Errorf("%q", broken)
		}
	})
}

// A place that breaks leaves its own counts unknown. What was found in the other stands.
func TestPlaceThatBreaks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ledger, events := newLog(), newLog()
		time.AfterFunc(2*time.Second, func() {
			ledger.mu.Lock()
			ledger.broken = errors.New("gone")
			ledger.mu.Unlock()
			ledger.append(nil)
		})
		run := mustRun(t, t.Context(), inTwoPlaces(t, ledger, events), Options{})
		want := map[string]reports.Verdict{
			"a.effect_duplicates == 0": reports.Fail, "a.lost == 0": reports.Inconclusive, "a.effect.p99 < 5s": reports.Inconclusive,
			"a.effect(ledger).duplicates == 0": reports.Inconclusive, "a.effect(events).duplicates == 0": reports.Fail,
			"a.effect(ledger).p99 < 5s": reports.Inconclusive, "a.effect(events).lost == 0 during baseline": reports.Pass,
		}
		for _, g := range run.Gates {
			if g.Verdict != want[g.Expr] {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
		}
		if p := run.Streams["a"].Places[0]; !strings.Contains(p.Unread, "gone") || p.Total.Integrity.Lost != nil {
			t.Errorf("%+v", p)
		}
		if broken := reports.Sums(run); len(broken) > 0 {
			t.Errorf("%q", broken)
		}
	})
}

// An operation that one place lost is lost, although the other place could not be read. How many are lost is not known.
func TestLossBesideAPlaceThatBreaks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ledger, events := newLog(), newLog()
		ledger.broken = errors.New("gone")
		sc := inTwoPlaces(t, ledger, events)
		sc.Traffic[0].Driver.(*memory).do = func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			if op.Seq != 7 {
				events.append(env.Identity.Append(nil, op.Seq))
			}
			ack(ctx, at, 10*time.Millisecond)
		}
		sc.Expect = []scenarios.Gate{mustGate(t, "a.lost == 0"), mustGate(t, "a.lost < 2"), mustGate(t, "a.lost > 0"), mustGate(t, "a.effect_duplicates == 0")}
		run := mustRun(t, t.Context(), sc, Options{})
		want := []reports.Verdict{reports.Fail, reports.Inconclusive, reports.Inconclusive, reports.Inconclusive}
		for i, g := range run.Gates {
			if g.Verdict != want[i] || i == 0 && !strings.Contains(g.Why, "violated") {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
		}
	})
}

// inTwoPlaces is a scenario of 60 operations, each of which ends in both logs, and one twice in the second.
func inTwoPlaces(t *testing.T, ledger, events *ledgerLog) *scenarios.Scenario {
	m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
		ledger.append(env.Identity.Append(nil, op.Seq))
		events.append(env.Identity.Append(nil, op.Seq))
		if op.Seq == 7 {
			events.append(env.Identity.Append(nil, op.Seq))
		}
		ack(ctx, at, 10*time.Millisecond)
	}}
	stream := openStream("a", 20, m)
	stream.Places = []scenarios.Place{{Name: "ledger", Kind: "memory", Source: at(ledger)}, {Name: "events", Kind: "memory", Source: at(events)}}
	return scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{stream},
		"a.effect_duplicates == 0", "a.lost == 0", "a.effect.p99 < 5s", "a.effect(ledger).duplicates == 0", "a.effect(events).duplicates == 0",
		"a.effect(ledger).p99 < 5s", "a.effect(events).lost == 0 during baseline")
}
