package drivertest

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"wringer/drivers"
)

const (
	// short is the deadline of an attempt that only its deadline ends.
	short = time.Second
	// timeout is the stream's timeout: client libraries use it to connect, and to wait for an answer.
	timeout = 4 * time.Second
	// patience is the deadline of every other attempt, and how long the suite waits before it reports a hang. Nothing is
	// measured by it.
	patience = 20 * time.Second
)

// rig is an open driver on a target.
type rig struct {
	target Target
	driver drivers.Driver
	clock  func() time.Duration
	seq    uint64
}

func openRig(t *testing.T, target Target) *rig {
	t.Helper()
	target.Config.Check(func(field, message string) { t.Errorf("check: %s: %s", field, message) })
	epoch := time.Now()
	r := &rig{target: target, clock: func() time.Duration { return time.Since(epoch) }}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	driver, err := target.Config.Open(ctx, NewEnv(t, epoch))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	r.driver = driver
	return r
}

// NewEnv is an environment for a driver under test. Its connections are direct, and epoch is the clock's zero.
func NewEnv(t testing.TB, epoch time.Time) drivers.Env {
	return drivers.Env{
		Stream:   "conformance",
		Identity: drivers.Identity{Run: "r1", Stream: "conformance"},
		Seed:     7,
		Clock:    func() time.Duration { return time.Since(epoch) },
		Epoch:    func() time.Time { return epoch },
		Dial:     new(net.Dialer).DialContext,
		Direct:   new(net.Dialer).DialContext,
		Timeout:  timeout,
		Sessions: 64,
		Files:    t.TempDir(),
		Log:      slog.New(slog.DiscardHandler),
	}
}

func (r *rig) close(t *testing.T) {
	t.Helper()
	if g, ok := r.driver.(drivers.Gauger); ok {
		g.Gauges(func(name string, value float64) {
			if name == "" || value != value {
				t.Errorf("gauge %q is %v", name, value)
			}
		})
	}
	within(t, "Driver.Close", func() {
		if err := r.driver.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// sender makes attempts one after another, by a session or by the pipeline.
type sender struct {
	do    func(ctx context.Context, op *drivers.Op, at *drivers.Attempt)
	close func() error
}

func (r *rig) newSender(t *testing.T) sender {
	t.Helper()
	if p, ok := r.driver.(drivers.Pipeline); ok {
		return sender{do: func(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
			done := make(chan struct{})
			p.Send(ctx, op, at, func() { close(done) })
			<-done
		}, close: func() error { return nil }}
	}
	s, err := r.driver.Session()
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	return sender{do: s.Do, close: s.Close}
}

func (s sender) end(t *testing.T) {
	t.Helper()
	within(t, "Session.Close", func() {
		if err := s.close(); err != nil {
			t.Errorf("close session: %v", err)
		}
	})
}

// attempt makes the first attempt of a new operation, and checks what holds for every attempt.
func (r *rig) attempt(t *testing.T, ctx context.Context, s sender, deadline time.Duration) drivers.Attempt {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	r.seq++
	op := drivers.Op{Seq: r.seq, Planned: r.clock()}
	var at drivers.Attempt
	at.Reset(1, r.clock())
	within(t, "the attempt", func() { s.do(ctx, &op, &at) })
	r.checkAttempt(t, &at)
	return at
}

// checkAttempt checks what is true of every ended attempt.
func (r *rig) checkAttempt(t *testing.T, at *drivers.Attempt) {
	t.Helper()
	now := r.clock()
	if at.Done == 0 {
		at.Done = now
	}
	if at.Sent == 0 {
		at.Sent = at.Begun
	}
	if at.Sent < at.Begun || at.Done < at.Sent || at.Done > now {
		t.Errorf("begun %v, sent %v, done %v, seen %v: out of order", at.Begun, at.Sent, at.Done, now)
	}
	if at.Outcome == drivers.Unknown {
		t.Error("no outcome")
	}
	if (at.Outcome == drivers.Acked) != (at.Code == "") {
		t.Errorf("%v with code %q", at.Outcome, at.Code)
	}
	if at.Outcome == drivers.Acked && !(at.Wire && at.Answered) {
		t.Errorf("acked, yet wire %v and answered %v", at.Wire, at.Answered)
	}
	if !at.Wire && (at.Outcome != drivers.Rejected || at.Answered || at.Hidden > 0) {
		t.Errorf("nothing reached the wire, yet %v, answered %v, hidden %d", at.Outcome, at.Answered, at.Hidden)
	}
	if len(at.Detail) > 300 || at.Hidden < 0 {
		t.Errorf("detail of %d bytes, hidden %d", len(at.Detail), at.Hidden)
	}
}

// received checks that the target got as many more transmissions as the attempts report.
func (r *rig) received(t *testing.T, before int64, attempts ...drivers.Attempt) {
	t.Helper()
	if r.target.Received == nil {
		return
	}
	want := before
	for i := range attempts {
		if attempts[i].Wire {
			want += 1 + int64(attempts[i].Hidden)
		}
	}
	eventually(t, "the target's count to reach what was sent", func() bool { return r.target.Received() >= want })
	if got := r.target.Received(); got != want {
		t.Errorf("the target received %d transmissions, the attempts say %d", got-before, want-before)
	}
}

func (r *rig) count() int64 {
	if r.target.Received == nil {
		return 0
	}
	return r.target.Received()
}

// within fails the test at once if f does not end.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	watchdog := time.NewTimer(2 * patience)
	defer watchdog.Stop()
	select {
	case <-done:
	case <-watchdog.C:
		t.Fatalf("%s did not end", what)
	}
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
