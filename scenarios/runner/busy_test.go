package runner

import (
	"context"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/host"
)

// loaded is a machine of two cores. From a time on, another program and this process take some of them.
type loaded struct {
	from         time.Time
	others, this int           // in hundredths of a core
	lasts        time.Duration // 0: without end
}

// Open shows the counters as they stand now.
func (l loaded) Open(name string) (fs.File, error) {
	m := fakeMachine{}
	since := max(time.Since(l.from), 0)
	if l.lasts > 0 {
		since = min(since, l.lasts)
	}
	hundredths := int(since / (10 * time.Millisecond))
	m.at(hundredths*(l.others+l.this)/100, 0)
	m.set("proc/100/stat", strings.Replace(string(m["proc/100/stat"].Data), "0 0 0 0 20", strconv.Itoa(hundredths*l.this/100)+" 0 0 0 20", 1))
	return fstest.MapFS(m).Open(name)
}

// Whole runs beside other programs, in virtual time. What they do is inconclusive, what the run and its target take is not.
func TestRunsBesideOtherPrograms(t *testing.T) {
	for name, c := range map[string]struct {
		others, this int
		from         time.Duration // of the load
		slowAt       func(time.Duration) bool
		want         reports.Verdict
		busy         []int
	}{
		"others from second 4 on":       {170, 20, 4 * time.Second, func(at time.Duration) bool { return at >= 4*time.Second }, reports.Inconclusive, []int{3, 4, 5, 6, 7}},
		"slow before they came":         {170, 20, 4 * time.Second, func(at time.Duration) bool { return at < 2*time.Second }, reports.Fail, []int{3, 4, 5, 6, 7}},
		"an embedded target's own load": {5, 190, 0, func(time.Duration) bool { return true }, reports.Fail, nil},
		"nothing is slow":               {170, 20, 0, func(time.Duration) bool { return false }, reports.Pass, []int{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				begun := time.Now()
				target := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
					lasts := time.Millisecond
					if c.slowAt(time.Since(begun)) {
						lasts = 300 * time.Millisecond
					}
					ack(ctx, at, lasts)
				}}
				sc := scenario(t, scenarios.Timing{Duration: 8 * time.Second}, []scenarios.Stream{openStream("a", 50, target)}, "a.max < 100ms")
				run := mustRun(t, t.Context(), sc, Options{Machine: &host.Reader{
					Root: loaded{from: begun.Add(c.from), others: c.others, this: c.this}, PID: 100, Now: time.Now,
				}})
				if run.Verdict != c.want {
					t.Errorf("verdict %s, want %s: %q", run.Verdict, c.want, run.Why)
				}
				var busy []int
				for i, s := range run.Streams["a"].Seconds {
					if s.Busy {
						busy = append(busy, i)
					}
				}
				if !slices.Equal(busy, c.busy) || len(run.Machine) != 8 || run.Validity.Machine == nil {
					t.Errorf("busy seconds %v, want %v; %d seconds of the machine", busy, c.busy, len(run.Machine))
				}
				if c.want == reports.Inconclusive && !strings.Contains(run.Why[0], "other programs took 1.7 of 2 cores") {
					t.Errorf("why %q", run.Why)
				}
			})
		})
	}
}

// What other programs did to the baseline is no measure of what comes after a fault: a target that stays slow has not recovered.
func TestABusyBaselineExcusesNoRecovery(t *testing.T) {
	for name, c := range map[string]struct {
		busy time.Duration // from the start
		slow func(time.Duration) bool
		want reports.Verdict
	}{
		"slow for good after the fault":    {2 * time.Second, func(at time.Duration) bool { return at < 2*time.Second || at >= 6*time.Second }, reports.Fail},
		"slow by the others alone":         {2 * time.Second, func(at time.Duration) bool { return at < 2*time.Second || at >= 6*time.Second && at < 7*time.Second }, reports.Pass},
		"no calm second before the fault":  {6 * time.Second, func(time.Duration) bool { return true }, reports.Inconclusive},
		"busy all the time, equally slow":  {20 * time.Second, func(time.Duration) bool { return true }, reports.Pass},
		"no other program, slow from then": {time.Millisecond, func(at time.Duration) bool { return at >= 6*time.Second }, reports.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				begun := time.Now()
				target := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
					lasts := time.Millisecond
					if c.slow(time.Since(begun)) {
						lasts = 300 * time.Millisecond
					}
					ack(ctx, at, lasts)
				}}
				sc := scenario(t, scenarios.Timing{Duration: 16 * time.Second}, []scenarios.Stream{openStream("a", 50, target)}, "a.recovery < 3s after cut")
				sc.Faults = []scenarios.Fault{{Name: "cut", At: 6 * time.Second, For: time.Second, Config: &breaker{recordingFault{}, new(atomic.Int64)}}}
				run := mustRun(t, t.Context(), sc, Options{Machine: &host.Reader{
					Root: loaded{from: begun, others: 170, this: 20, lasts: c.busy}, PID: 100, Now: time.Now,
				}})
				if g := run.Gates[0]; g.Verdict != c.want {
					t.Errorf("%s, want %s: %s", g.Verdict, c.want, g.Why)
				}
			})
		})
	}
}

// What other programs do neither aborts a run by its times nor makes the target unhealthy. Errors abort it whatever the reason.
func TestBusySecondsStopNoRun(t *testing.T) {
	const slow = 300 * time.Millisecond
	for name, c := range map[string]struct {
		others int
		expr   string
		abort  string
		do     func(ctx context.Context, at *drivers.Attempt)
		want   string // a part of why the run stopped; empty: it went on
	}{
		"slow beside others, abort":  {170, "a.errors < 1%", "a.p99 > 100ms", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, ""},
		"slow by itself, abort":      {5, "a.errors < 1%", "a.p99 > 100ms", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, "aborted: a.p99 > 100ms"},
		"fails beside others, abort": {170, "a.acked > 0", "a.errors > 50%", func(_ context.Context, at *drivers.Attempt) { at.Fail(drivers.Indeterminate, "timeout", "") }, "aborted: a.errors > 50%"},
		"slow beside others":         {170, "a.p99 < 100ms during baseline", "", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, ""},
		"slow beside others, max":    {170, "a.max < 100ms during baseline in every second", "", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, ""},
		"dead beside others":         {170, "a.errors < 1%", "", func(_ context.Context, at *drivers.Attempt) { at.Fail(drivers.Rejected, drivers.CodeRefused, "") }, "not healthy"},
		"slow by itself":             {5, "a.p99 < 100ms during baseline", "", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, "not healthy"},
		"slow by itself, max":        {5, "a.max < 100ms during baseline in every second", "", func(ctx context.Context, at *drivers.Attempt) { ack(ctx, at, slow) }, "not healthy"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				begun := time.Now()
				target := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) { c.do(ctx, at) }}
				sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 50, target)}, c.expr)
				sc.Faults = []scenarios.Fault{{Name: "cut", At: 6 * time.Second, For: time.Second, Config: &breaker{recordingFault{}, new(atomic.Int64)}}}
				if c.abort != "" {
					sc.Abort = []scenarios.Abort{{Gate: mustGate(t, c.abort), Seconds: 2}}
				}
				run := mustRun(t, t.Context(), sc, Options{Machine: &host.Reader{Root: loaded{from: begun, others: c.others, this: 20}, PID: 100, Now: time.Now}})
				why := strings.Join(run.Validity.Why, "; ")
				stopped := strings.Contains(why, "aborted") || strings.Contains(why, "not healthy")
				if stopped != (c.want != "") || !strings.Contains(why, c.want) {
					t.Errorf("stopped %t, want %q: %s", stopped, c.want, why)
				}
			})
		})
	}
}

// Without a reader nothing is told of the machine.
func TestRunsWithoutAMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 2 * time.Second}, []scenarios.Stream{openStream("a", 50, prompt())}, "a.max < 100ms")
		if run := mustRun(t, t.Context(), sc, Options{}); run.Machine != nil || run.Validity.Machine != nil {
			t.Errorf("%+v, %+v", run.Machine, run.Validity.Machine)
		}
	})
}
