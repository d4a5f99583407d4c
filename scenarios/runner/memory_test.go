package runner

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// memory is a driver without a network: do answers each attempt.
type memory struct {
	do   func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt)
	open error
	env  drivers.Env
}

func (m *memory) Check(func(field, message string)) {}
func (m *memory) Describe() drivers.Description     { return drivers.Description{StatusPrefix: "http_"} }

func (m *memory) Open(_ context.Context, env drivers.Env) (drivers.Driver, error) {
	m.env = env
	return m, m.open
}

func (m *memory) Session() (drivers.Session, error) { return memorySession{m}, nil }
func (m *memory) Close() error                      { return nil }

type memorySession struct{ m *memory }

func (s memorySession) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	s.m.do(ctx, &s.m.env, op, at)
}
func (memorySession) Close() error { return nil }

// ack answers well after d, or times out.
func ack(ctx context.Context, at *drivers.Attempt, d time.Duration) {
	at.Wire = true
	if !sleep(ctx, d) {
		lapse(ctx, at)
		return
	}
	at.Outcome, at.Answered = drivers.Acked, true
}

func lapse(ctx context.Context, at *drivers.Attempt) {
	code := drivers.CodeTimeout
	if context.Cause(ctx) == context.Canceled {
		code = drivers.CodeCancelled
	}
	at.Fail(drivers.Indeterminate, code, "no answer")
}

// hang never answers.
func hang(ctx context.Context, at *drivers.Attempt) {
	at.Wire = true
	<-ctx.Done()
	lapse(ctx, at)
}

// place is the SourceConfig of a log. A run resolves a copy of it, which must lead to the same log.
type place struct{ log func() *ledgerLog }

func at(l *ledgerLog) place { return place{func() *ledgerLog { return l }} }

func (place) Check(func(field, message string))   {}
func (place) Describe() drivers.SourceDescription { return drivers.SourceDescription{} }

func (p place) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	p.log().clock = env.Clock
	return p.log(), nil
}

// ledgerLog is a place in memory where effects show up.
type ledgerLog struct {
	mu      sync.Mutex
	records []drivers.Delivery
	read    int
	changed chan struct{}
	clock   func() time.Duration
	broken  error
}

func newLog() *ledgerLog { return &ledgerLog{changed: make(chan struct{}, 1)} }

func (l *ledgerLog) append(id []byte) {
	l.mu.Lock()
	l.records = append(l.records, drivers.Delivery{ID: id, Position: drivers.PositionIn(0, int64(len(l.records)))})
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *ledgerLog) Start(context.Context) error { return nil }

func (l *ledgerLog) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	for {
		l.mu.Lock()
		for ; l.read < len(l.records); l.read++ {
			d := l.records[l.read]
			d.At = l.clock()
			deliver(&d)
		}
		broken := l.broken
		l.mu.Unlock()
		if broken != nil {
			return broken
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *ledgerLog) CatchUp(ctx context.Context) error {
	l.mu.Lock()
	end := len(l.records)
	l.mu.Unlock()
	for {
		l.mu.Lock()
		read := l.read
		l.mu.Unlock()
		if read >= end {
			return nil
		}
		if !sleep(ctx, time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (l *ledgerLog) Close() error { return nil }

// openStream is a stream of the open model on a memory driver.
func openStream(name string, rate float64, m *memory) scenarios.Stream {
	return scenarios.Stream{
		Name: name, DriverName: "memory", Driver: m, Rate: &scenarios.Rate{Constant: rate},
		Timeout: scenarios.DefaultTimeout, MaxInFlight: scenarios.DefaultMaxInFlight,
	}
}

// scenario is a scenario of the given streams and gates.
func scenario(t *testing.T, timing scenarios.Timing, streams []scenarios.Stream, gates ...string) *scenarios.Scenario {
	t.Helper()
	if timing.MaxLag == 0 {
		timing.MaxLag = scenarios.DefaultMaxLag
	}
	sc := &scenarios.Scenario{Name: "test", Seed: 1, Run: timing, Traffic: streams, Path: "test.yaml", Source: []byte("name: test\n"), Metrics: recordtest.Catalogue()}
	for _, expr := range gates {
		g, err := scenarios.ParseGate(expr, recordtest.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		sc.Expect = append(sc.Expect, g)
	}
	return sc
}

// sleep waits for d, false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// bubble runs f in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// mustRun runs a scenario in virtual time and checks its record against the schema and the sums.
func mustRun(t *testing.T, ctx context.Context, sc *scenarios.Scenario, opt Options) *reports.Run {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	opt.Network.Virtual = true
	run, err := Run(ctx, sc, opt)
	if err != nil {
		t.Fatal(err)
	}
	recordtest.Valid(t, run)
	return run
}
