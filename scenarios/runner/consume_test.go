package runner

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/watch"
)

// reader is a stream that sends nothing and reads a log.
func reader(l *ledgerLog, of string, numbered bool) scenarios.Stream {
	return scenarios.Stream{Name: "c", Timeout: scenarios.DefaultTimeout,
		Consume: &scenarios.Consume{SourceName: "memory", Source: numberedPlace{at(l), numbered}, Of: of}}
}

type numberedPlace struct {
	place
	numbered bool
}

func (p numberedPlace) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Sequenced: p.numbered}
}

// publish appends the target's record of operation seq.
func publish(l *ledgerLog, d drivers.Delivery) {
	l.mu.Lock()
	d.Position = drivers.PositionIn(0, int64(len(l.records)))
	l.records = append(l.records, d)
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// target acks each operation and publishes it a number of times.
func publishing(l *ledgerLog, copies func(seq uint64) int) *memory {
	return &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
		ack(ctx, at, time.Millisecond)
		for range copies(op.Seq) {
			publish(l, drivers.Delivery{ID: env.Identity.Append(nil, op.Seq), Key: []byte(strconv.FormatUint(op.Key, 10))})
		}
	}}
}

// gateVerdicts are the verdicts of a run's gates, in words.
func gateVerdicts(run *reports.Run) string {
	var all []string
	for _, g := range run.Gates {
		all = append(all, g.Metric+" "+string(g.Verdict))
	}
	return strings.Join(all, ", ")
}

// Records published from another stream's operations: an honest target passes. A liar fails, in the window of the operation. A
// silent target has lost everything.
func TestConsumeOfAnotherStream(t *testing.T) {
	for name, c := range map[string]struct {
		copies func(seq uint64) int
		want   string
		lost   int64
	}{
		"honest": {func(uint64) int { return 1 }, "lost pass, log_duplicates pass, order_violations pass", 0},
		"drops":  {func(seq uint64) int { return int(min(seq%50, 1)) }, "lost fail, log_duplicates pass, order_violations pass", 6},
		"twice": {func(seq uint64) int {
			if seq == 77 {
				return 2
			}
			return 1
		}, "lost pass, log_duplicates fail, order_violations pass", 0},
		"silent": {func(uint64) int { return 0 }, "lost fail, log_duplicates inconclusive, order_violations inconclusive", 300},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newLog()
				sender := openStream("a", 100, publishing(log, c.copies))
				sender.Keys = 7
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{reader(log, "a", false), sender},
					"c.lost == 0", "c.log_duplicates == 0", "c.order_violations == 0")
				run := mustRun(t, t.Context(), sc, Options{})
				if got := gateVerdicts(run); got != c.want {
					t.Errorf("%s; want %s", got, c.want)
				}
				if honest := name == "honest"; honest != (run.Verdict == reports.Pass) {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
				got := run.Streams["c"].Total
				if *got.Integrity.Lost != c.lost || got.Offered != 0 || run.Streams["c"].Model != reports.ModelConsume {
					t.Errorf("lost %d, offered %d, model %s", *got.Integrity.Lost, got.Offered, run.Streams["c"].Model)
				}
			})
		})
	}
}

// A topic by itself: copies, order and gaps are found. An empty topic decides nothing, nor does one without identities.
func TestConsumeAlone(t *testing.T) {
	record := func(id, number string) drivers.Delivery {
		d := drivers.Delivery{Key: []byte("k"), Sequence: []byte(number)}
		if id != "" {
			d.ID = []byte(id)
		}
		return d
	}
	for name, c := range map[string]struct {
		records []drivers.Delivery
		want    string
	}{
		"honest":      {[]drivers.Delivery{record("a", "1"), record("b", "2")}, "log_duplicates pass, order_violations pass, gaps pass"},
		"twice":       {[]drivers.Delivery{record("a", "1"), record("b", "2"), record("a", "1")}, "log_duplicates fail, order_violations pass, gaps pass"},
		"late":        {[]drivers.Delivery{record("b", "2"), record("a", "1")}, "log_duplicates pass, order_violations fail, gaps pass"},
		"missing":     {[]drivers.Delivery{record("a", "1"), record("c", "3")}, "log_duplicates pass, order_violations pass, gaps fail"},
		"silent":      {nil, "log_duplicates inconclusive, order_violations inconclusive, gaps inconclusive"},
		"no identity": {[]drivers.Delivery{record("", "1"), record("", "1")}, "log_duplicates inconclusive, order_violations inconclusive, gaps inconclusive"},
		"some have no identity": {[]drivers.Delivery{record("a", "1"), record("", "1")},
			"log_duplicates inconclusive, order_violations inconclusive, gaps pass"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newLog()
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{reader(log, "", true)},
					"c.log_duplicates == 0", "c.order_violations == 0", "c.gaps == 0")
				time.AfterFunc(time.Second, func() {
					for _, d := range c.records {
						publish(log, d)
					}
				})
				run := mustRun(t, t.Context(), sc, Options{})
				if got := gateVerdicts(run); got != c.want {
					t.Errorf("%s; want %s", got, c.want)
				}
				if honest := name == "honest"; honest != (run.Verdict == reports.Pass) {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
			})
		})
	}
}

// A topic that was not read to its end proves nothing.
func TestConsumeBroken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		publish(log, drivers.Delivery{ID: []byte("a")})
		time.AfterFunc(time.Second, func() {
			log.mu.Lock()
			defer log.mu.Unlock()
			log.broken = context.DeadlineExceeded
			log.changed <- struct{}{}
		})
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{reader(log, "", false)}, "c.log_duplicates == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Inconclusive || run.Gates[0].Verdict != reports.Inconclusive {
			t.Errorf("verdict %s, gates %+v", run.Verdict, run.Gates)
		}
	})
}

// The numbers of the records give the order, the operations of another stream the losses.
func TestConsumeOfWithNumbers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		next := 0
		m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, time.Millisecond)
			if next++; op.Seq == 9 {
				return // its number is missing too
			}
			publish(log, drivers.Delivery{ID: env.Identity.Append(nil, op.Seq), Key: []byte("k"), Sequence: strconv.AppendInt(nil, int64(next), 10)})
		}}
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{openStream("a", 10, m), reader(log, "a", true)},
			"c.lost == 0", "c.gaps == 0", "c.order_violations == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if got, want := gateVerdicts(run), "lost fail, gaps fail, order_violations pass"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		kinds := make([]string, 0)
		for _, g := range run.Findings {
			kinds = append(kinds, g.Kind)
		}
		if slices.Contains(kinds, "gaps") || !slices.Contains(kinds, "ungated") {
			t.Errorf("findings %v", kinds)
		}
	})
}

// A consumer that saw nothing makes the run inconclusive, even without a gate.
func TestConsumeSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{openStream("a", 10, prompt()), reader(newLog(), "", false)}, "a.errors == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if why := strings.Join(run.Validity.Why, "\n"); run.Verdict != reports.Inconclusive || !strings.Contains(why, "no record with an identity of its own was seen") {
			t.Errorf("verdict %s: %q", run.Verdict, run.Validity.Why)
		}
	})
}

// The members of a group use our own CPU, and a slow reader blocks nothing else.
func TestGroupWithoutCPUIsTheLimit(t *testing.T) {
	sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
	tr := &step{Experiment: &Experiment{}, sc: sc, plan: judge.NewPlan(sc, "")}
	c := &collector{step: tr, cores: map[int]float64{1: float64(runtime.GOMAXPROCS(0))}}
	group, ungrouped := &member{observers: []*watch.Observer{{Group: &watch.Group{}}}}, &member{observers: []*watch.Observer{{}}}
	for sec, want := range []bool{false, true} {
		start := time.Duration(sec) * time.Second
		if got, _ := c.limits(group, start, nil); got != want {
			t.Errorf("second %d: limited %t, want %t", sec, got, want)
		}
		if limited, _ := c.limits(ungrouped, start, nil); limited {
			t.Errorf("second %d: a reader is limited", sec)
		}
	}
}
