package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// groupPlace is a log that a group reads as well.
type groupPlace struct {
	place
	group   func() *memoryGroup
	churned bool
}

func (p groupPlace) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Grouped: true, Churned: p.churned}
}

func (p groupPlace) OpenGroup(env drivers.Env) (drivers.Group, error) {
	g := p.group()
	g.env = env
	return g, nil
}

// memoryGroup processes each record, when it ends, as often as times says. It reports the given committed offset.
type memoryGroup struct {
	env       drivers.Env
	log       *ledgerLog
	times     func(offset int64) int
	committed int64
	run, ask  error
}

func (g *memoryGroup) Start(context.Context, drivers.Source) error { return nil }
func (g *memoryGroup) Close() error                                { return nil }

func (g *memoryGroup) Run(ctx context.Context, _ time.Duration, emit func(drivers.GroupEvent)) error {
	emit(drivers.GroupEvent{Kind: drivers.Assigned, Member: 1, Round: 1, At: g.env.Clock()})
	<-ctx.Done()
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	for i := range g.log.records {
		for range g.times(int64(i)) {
			emit(drivers.GroupEvent{Kind: drivers.Processed, Member: 1, Round: 1, Position: drivers.PositionIn(0, int64(i)), At: g.env.Clock()})
		}
	}
	return g.run
}

func (g *memoryGroup) Settled(context.Context) (map[int32]int64, error) {
	return map[int32]int64{0: g.committed}, g.ask
}

// A group is compared with the topic: a skipped record is lost to it, a record got twice is redelivered, and an unknown one
// decides nothing. A log duplicate is neither.
func TestGroupIsJudged(t *testing.T) {
	once := func(int64) int { return 1 }
	for name, c := range map[string]struct {
		group  memoryGroup
		copies bool
		want   string
	}{
		"honest":       {memoryGroup{times: once, committed: 40}, false, "group_lost pass, redelivered pass, log_duplicates pass"},
		"skips":        {memoryGroup{times: func(o int64) int { return int(min(o%10, 1)) }, committed: 40}, false, "group_lost fail, redelivered pass, log_duplicates pass"},
		"twice":        {memoryGroup{times: func(o int64) int { return 1 + int(o/39) }, committed: 40}, false, "group_lost pass, redelivered fail, log_duplicates pass"},
		"a copy":       {memoryGroup{times: once, committed: 40}, true, "group_lost pass, redelivered pass, log_duplicates fail"},
		"too slow":     {memoryGroup{times: func(o int64) int { return int(1 - o/35) }, committed: 35}, false, "group_lost inconclusive, redelivered inconclusive, log_duplicates pass"},
		"cannot read":  {memoryGroup{times: func(int64) int { return 0 }, run: errors.New("no member joined"), committed: -1}, false, "group_lost inconclusive, redelivered inconclusive, log_duplicates pass"},
		"nobody knows": {memoryGroup{times: once, ask: errors.New("no answer")}, false, "group_lost inconclusive, redelivered inconclusive, log_duplicates pass"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newLog()
				c.group.log = log
				s := reader(log, "", false)
				s.Consume.Source = groupPlace{at(log), func() *memoryGroup { return &c.group }, false}
				time.AfterFunc(time.Second, func() {
					for i := range 40 {
						if c.copies {
							i /= 2
						}
						publish(log, drivers.Delivery{ID: []byte{'a' + byte(i)}})
					}
				})
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{s},
					"c.group_lost == 0", "c.redelivered == 0", "c.log_duplicates == 0")
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

// A group without a record has shown nothing.
func TestGroupWithoutRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		s := reader(log, "", false)
		group := &memoryGroup{log: log}
		s.Consume.Source = groupPlace{at(log), func() *memoryGroup { return group }, false}
		sc := scenario(t, scenarios.Timing{Duration: 2 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "c.group_lost == 0", "c.rebalance.p99 < 1s", "c.rebalances == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if got, want := gateVerdicts(run), "group_lost inconclusive, rebalance.p99 inconclusive, rebalances inconclusive"; got != want || run.Verdict != reports.Inconclusive {
			t.Errorf("%s, verdict %s", got, run.Verdict)
		}
	})
}

// A window that an interrupted run did not reach decides nothing.
func TestConsumeInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		log := newLog()
		s := reader(log, "", false)
		group := &memoryGroup{log: log, times: func(int64) int { return 1 }}
		s.Consume.Source = groupPlace{at(log), func() *memoryGroup { return group }, false}
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second, Drain: time.Second}, []scenarios.Stream{s},
			"c.log_duplicates == 0 during late", "c.group_lost == 0 during late", "c.rebalance.max < 1s during late")
		sc.Faults = []scenarios.Fault{{Name: "late", At: 4 * time.Second, For: 4 * time.Second, Config: &recordingFault{}}}
		run := mustRun(t, ctx, sc, Options{})
		if got, want := gateVerdicts(run), "log_duplicates inconclusive, group_lost inconclusive, rebalance.max inconclusive"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// A churn that struck no member has tested nothing. Records that a group did not reach are reported.
func TestGroupThatWasNotStruck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		s := reader(log, "", false)
		group := &memoryGroup{log: log, times: func(o int64) int { return int(1 - o/3) }, committed: 3}
		s.Consume.Source = groupPlace{at(log), func() *memoryGroup { return group }, true}
		time.AfterFunc(time.Second, func() {
			for i := range byte(5) {
				publish(log, drivers.Delivery{ID: []byte{'a' + i}})
			}
		})
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "c.log_duplicates == 0", "c.group_lost == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Inconclusive || !strings.Contains(strings.Join(run.Validity.Why, "\n"), "struck no member") {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
		if want := "not known: the group had not processed 2 records when observation ended"; run.Gates[1].Why != want {
			t.Errorf("why %q, want %q", run.Gates[1].Why, want)
		}
		if !slices.ContainsFunc(run.Findings, func(f reports.Finding) bool { return f.Kind == "unprocessed" }) {
			t.Errorf("findings %v", run.Findings)
		}
	})
}
