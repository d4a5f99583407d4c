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

// said is a place where a target says how it is: a function of the number of the reading, from 0.
type said struct {
	series []string
	say    func(ctx context.Context, n int) (map[string]drivers.SeriesReading, error)
	closed *int
	dials  string // an address to dial at each reading; empty: none
}

func (*said) Check(func(field, message string)) {}
func (s *said) Describe() drivers.SeriesDescription {
	return drivers.SeriesDescription{Place: "memory", Every: time.Second, Series: s.series}
}
func (s *said) Open(env drivers.SeriesEnv) (drivers.SeriesSource, error) {
	return &saying{of: s, dial: env.Direct}, nil
}

type saying struct {
	of   *said
	dial drivers.DialFunc
	n    int
}

func (s *saying) Read(ctx context.Context) (map[string]drivers.SeriesReading, error) {
	s.n++
	if s.of.dials != "" {
		c, err := s.dial(ctx, "tcp", s.of.dials)
		if err == nil {
			c.Close()
		}
		return nil, err
	}
	return s.of.say(ctx, s.n-1)
}

func (s *saying) Close() error {
	*s.of.closed++
	return nil
}

func saidValue(v float64) drivers.SeriesReading {
	return drivers.SeriesReading{Values: map[string]float64{"": v}}
}

func saidCount(v float64) drivers.SeriesReading {
	return drivers.SeriesReading{Counter: true, Values: map[string]float64{"": v}}
}

// A gate on what the target says of itself passes, fails, and is inconclusive where the target said nothing.
func TestGatesOnSeries(t *testing.T) {
	want := map[string]reports.Verdict{
		"observe(jvm.heap).max < 20":                           reports.Pass,
		"observe(jvm.heap).max < 7 during early":               reports.Pass,
		"observe(jvm.heap).max < 7 during late":                reports.Fail,
		"observe(jvm.heap).mean > 7 during late":               reports.Pass,
		"observe(jvm.errors_total).increase == 0":              reports.Fail,
		"observe(jvm.errors_total).increase == 0 during early": reports.Pass,
		"observe(jvm.errors_total).increase >= 4":              reports.Pass, // to the last reading, at the end of the drain
		"observe(jvm.heap).max > 10 during drain":              reports.Pass,
		"observe(jvm.errors_total).max < 100":                  reports.Pass,
		"observe(db.waiting).max < 100":                        reports.Inconclusive,
		"observe(db.waiting).max < 2":                          reports.Fail,
		"observe(db.waiting).mean < 100 during early":          reports.Pass,
		"observe(db.waiting).mean < 100 during late":           reports.Inconclusive,
		"observe(db.waiting).min > 5":                          reports.Fail,
		"observe(db.waiting).increase == 0 during early":       reports.Inconclusive,
	}
	bubble(t, func(t *testing.T) {
		var gates []string
		for gate := range want {
			gates = append(gates, gate)
		}
		slices.Sort(gates)
		sc := scenario(t, scenarios.Timing{Warmup: 2 * time.Second, Duration: 10 * time.Second, Drain: 2 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, gates...)
		sc.Phases = []scenarios.Phase{{Name: "early", At: time.Second, For: 3 * time.Second}, {Name: "late", At: 5 * time.Second, For: 3 * time.Second}}
		jvm := &said{closed: new(int), series: []string{"errors_total", "heap"}, say: func(_ context.Context, n int) (map[string]drivers.SeriesReading, error) {
			return map[string]drivers.SeriesReading{"heap": saidValue(float64(n)), "errors_total": saidCount(float64(max(n, 8)))}, nil
		}}
		db := &said{closed: new(int), series: []string{"waiting"}, say: func(ctx context.Context, n int) (map[string]drivers.SeriesReading, error) {
			switch n {
			case 8:
				return nil, errors.New("connection refused")
			case 9: // it hangs until its time is over
				sleep(ctx, 2500*time.Millisecond)
				return nil, errors.New("no whole answer came within 2.5s")
			}
			return map[string]drivers.SeriesReading{"waiting": saidValue(3)}, nil
		}}
		sc.Observe = []scenarios.Observed{{Name: "jvm", Config: jvm}, {Name: "db", Config: db}}
		run := mustRun(t, t.Context(), sc, Options{})
		for _, g := range run.Gates {
			if g.Verdict != want[g.Expr] {
				t.Errorf("%s: %s, want %s: %s (%v)", g.Expr, g.Verdict, want[g.Expr], g.Why, g.Observed)
			}
			if g.Verdict == reports.Inconclusive && !strings.Contains(g.Why, "connection refused") && !strings.Contains(g.Why, "no counter") {
				t.Errorf("%s: no reason: %s", g.Expr, g.Why)
			}
		}
		heap, waiting := run.Observed["jvm"].Series["heap"], run.Observed["db"]
		if len(heap.Samples) < 11 || heap.Counter || heap.Samples[0].AtNS < 0 || run.Observed["jvm"].Failed != 0 || run.Observed["jvm"].Place != "memory" {
			t.Errorf("heap: %+v", heap)
		}
		if waiting.Failed != 2 || len(waiting.Failures) != 2 || waiting.Failures[0].AtNS != int64(6*time.Second) {
			t.Errorf("waiting: %+v", waiting)
		}
		if *jvm.closed != 1 || *db.closed != 1 {
			t.Errorf("closed %d and %d times", *jvm.closed, *db.closed)
		}
	})
}

// A target that never answers holds up neither the traffic nor the end of the run.
func TestHangingSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second, Drain: time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0", "observe(x.y).max < 1")
		sc.Observe = []scenarios.Observed{{Name: "x", Config: &said{closed: new(int), series: []string{"y"}, say: func(ctx context.Context, _ int) (map[string]drivers.SeriesReading, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}}}
		began := time.Now()
		run := mustRun(t, t.Context(), sc, Options{})
		if length := time.Since(began); length > 7*time.Second || run.Streams["a"].Total.Acked != 40 {
			t.Errorf("it lasted %s, acked %d", length, run.Streams["a"].Total.Acked)
		}
		if run.Gates[0].Verdict != reports.Pass || run.Gates[1].Verdict != reports.Inconclusive {
			t.Errorf("%+v", run.Gates)
		}
	})
}

// The place of a series is held to the run's bounds, as every address that a scenario names.
func TestSeriesBeyondTheBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: time.Hour}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Observe = []scenarios.Observed{{Name: "x", Config: &said{closed: new(int), series: []string{"y"}, dials: "1.1.1.1:80"}}}
		_, err := Run(t.Context(), sc, Options{Dir: t.TempDir() + "/record"})
		if !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "1.1.1.1 is neither on this machine") {
			t.Errorf("error %v", err)
		}
	})
}
