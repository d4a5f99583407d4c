package runner

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// stepped is a memory driver whose operations take two steps.
type stepped struct{ *memory }

func (stepped) Describe() drivers.Description {
	return drivers.Description{Steps: []string{"first", "second"}}
}

func TestStepsAreToldByWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			begun := env.Clock()
			ack(ctx, at, 10*time.Millisecond)
			steps := drivers.Steps{{Sent: begun, Done: env.Clock(), Outcome: drivers.Acked, Answered: true}}
			if op.Seq%2 == 0 {
				begun = env.Clock()
				ack(ctx, at, 30*time.Millisecond)
				steps = append(steps, drivers.Step{Sent: begun, Done: env.Clock(), Outcome: drivers.Acked, Answered: true})
			} else {
				at.Fail(drivers.Indeterminate, "http_500", "")
				steps = append(steps, drivers.Step{Sent: begun, Done: env.Clock(), Outcome: drivers.Indeterminate, Code: "http_500", Answered: true})
			}
			at.Done, at.Steps = env.Clock(), &steps
		}}
		s := openStream("a", 20, m)
		s.Driver = stepped{m}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 5 * time.Second}, []scenarios.Stream{s}, "a.errors < 60%"), Options{})
		steps := run.Streams["a"].Steps
		if len(steps) != 2 || steps[0].Name != "first" || steps[1].Name != "second" {
			t.Fatalf("%+v", steps)
		}
		if steps[0].Attempts != 100 || steps[0].Acked != 100 || steps[1].Attempts != 100 || steps[1].Acked != 50 || steps[1].Errors["http_500"] != 50 {
			t.Errorf("%+v and %+v", steps[0].StepMeasures, steps[1].StepMeasures)
		}
		if p := steps[0].Service.P50; p == nil || *p < 9.9e6 || *p > 10.1e6 {
			t.Errorf("service time of the first step %v", p)
		}
		if w := steps[1].Windows["baseline"]; w == nil || w.Acked != 50 {
			t.Errorf("window %+v", w)
		}
	})
}

// memo keeps the operations that it gets.
type memo struct {
	mu        sync.Mutex
	stream    string
	epoch     time.Time
	planned   []time.Duration // planned starts
	settled   time.Duration
	users     []int
	unsettled int // operations reported after the time before which all were settled
}

func (m *memo) Begin(b reports.Begun) { m.stream, m.epoch = b.Stream, b.Epoch }

func (m *memo) Finish() *reports.Samples {
	return &reports.Samples{File: "rows.csv", Rows: int64(len(m.planned)), Missing: 2}
}

func (m *memo) Ended(_ string, e *reports.Ended) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.planned, m.users = append(m.planned, e.Op.Planned), append(m.users, e.User)
	if e.Op.Planned < m.settled {
		m.unsettled++
	}
}

func (m *memo) Settled(_ string, until time.Duration) {
	m.mu.Lock()
	m.settled = until
	m.mu.Unlock()
}

// Every measured operation is reported once, and none after the notice that all of its time are settled. The warm-up is not
// reported.
func TestResultsAreToldInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, time.Duration(drivers.Draw(1, op.Seq, 1)%3000)*time.Millisecond) // up to 3 s, some time out
		}}
		s := openStream("a", 50, m)
		s.Timeout = 2500 * time.Millisecond
		results := &memo{}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 8 * time.Second}, []scenarios.Stream{s}, "a.errors < 60%"), Options{Results: results})
		if got, want := int64(len(results.planned)), run.Streams["a"].Total.Sent; got != want || results.unsettled > 0 || slices.Min(results.planned) < 0 || slices.Max(results.users) > 0 {
			t.Errorf("%d of %d operations told, %d too late, the first of %v, users %v", got, want, results.unsettled, slices.Min(results.planned), results.users)
		}
		lack := func(f reports.Finding) bool { return f.Kind == reports.SamplesMissing && f.Text == run.Samples.Lack() }
		if run.Samples == nil || run.Samples.Missing != 2 || run.Samples.Rows != int64(len(results.planned)) || !slices.ContainsFunc(run.Findings, lack) {
			t.Errorf("the record tells %+v of rows, and finds %+v", run.Samples, run.Findings)
		}
		if results.settled < 8*time.Second || results.stream != "a" || !results.epoch.Equal(run.Started.Add(time.Second)) {
			t.Errorf("settled up to %v; stream %q, epoch %v of a run started %v", results.settled, results.stream, results.epoch, run.Started)
		}
	})
}

func TestConnectionsLeaveFromEachAddressInTurn(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Logf("127.0.0.2 is no address of this machine, so nothing can leave from it: %v", err)
		return
	}
	first.Close()
	dial := dialFrom([]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")})
	for _, want := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.1"} {
		c, err := dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if host, _, _ := net.SplitHostPort(c.LocalAddr().String()); host != want {
			t.Errorf("from %s, want %s", host, want)
		}
		c.Close()
	}
}
