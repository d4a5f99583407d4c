package faults

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a fault whose calls a test defines. nil: succeed at once.
type scripted struct {
	inject, heal, probe func(context.Context) error
	bite                func() Bite
	mu                  sync.Mutex
	calls               []string
	at                  []time.Duration
	clock               func() time.Duration
}

func (s *scripted) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.at = append(s.calls, call), append(s.at, s.clock())
}

func (s *scripted) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func (s *scripted) run(ctx context.Context, name string, do func(context.Context) error) error {
	s.note(name)
	if do == nil {
		return nil
	}
	return do(ctx)
}

func (s *scripted) Inject(ctx context.Context) error { return s.run(ctx, "inject", s.inject) }
func (s *scripted) Heal(ctx context.Context) error   { return s.run(ctx, "heal", s.heal) }
func (s *scripted) Probe(ctx context.Context) error  { return s.run(ctx, "probe", s.probe) }

func (s *scripted) Bite() Bite {
	if s.bite == nil {
		return Bite{Bit: true, Connections: 1, Bytes: 2}
	}
	return s.bite()
}

func clockFrom(warmup time.Duration) func() time.Duration {
	begin := time.Now().Add(warmup)
	return func() time.Duration { return time.Since(begin) }
}

func sec(n int) time.Duration { return time.Duration(n) * time.Second }

func TestTimelineOnSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := clockFrom(sec(3))
		slow, gone := &scripted{clock: clock}, &scripted{clock: clock}
		var notified []string
		tl := Timeline{
			Plan: []Planned{
				{Name: "slow", At: sec(2), For: sec(6), Fault: slow},
				{Name: "gone", At: sec(4), For: sec(1), Fault: gone},
			},
			Clock: clock,
			Notify: func(e Event) {
				notified = append(notified, e.Injection.Name+" "+e.Step.String()+" "+clock().String())
				if f := []*scripted{slow, gone}[e.Injection.Index]; e.Step == Injecting && f.seen() != "" {
					t.Errorf("%s was applied before it was notified", e.Injection.Name)
				}
			},
		}
		got := tl.Run(t.Context())
		want := []string{
			"slow injecting 2s", "slow injected 2s", "gone injecting 4s", "gone injected 4s",
			"gone healing 5s", "gone ended 5s", "slow healing 8s", "slow ended 8s",
		}
		if !reflect.DeepEqual(notified, want) {
			t.Errorf("notified %q, want %q", notified, want)
		}
		for i, f := range []*scripted{slow, gone} {
			if f.seen() != "inject heal probe" || !got[i].Healed || got[i].Step != Ended || got[i].Err() != nil || !got[i].Bite.Bit {
				t.Errorf("fault %d: calls %q, %+v", i, f.seen(), got[i])
			}
		}
		if got[0].InjectedAt != sec(2) || got[0].HealAt != sec(8) || got[0].HealedAt != sec(8) {
			t.Errorf("stamps: %+v", got[0])
		}
	})
}

func TestTimelineInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := clockFrom(0)
		ctx, cancel := context.WithCancel(t.Context())
		f := &scripted{clock: clock, heal: func(ctx context.Context) error { return ctx.Err() }}
		never := &scripted{clock: clock}
		time.AfterFunc(sec(3), cancel)
		got := Timeline{Clock: clock, Plan: []Planned{
			{Name: "now", At: sec(2), For: sec(60), Fault: f},
			{Name: "later", At: sec(70), For: sec(1), Fault: never},
		}}.Run(ctx)
		if clock() != sec(3) || !got[0].Healed || got[0].HealAt != sec(3) {
			t.Errorf("at %v: %+v", clock(), got[0])
		}
		if got[1].Step != Waiting || never.seen() != "" || got[1].Healed {
			t.Errorf("a fault whose time never came: %+v, calls %q", got[1], never.seen())
		}
	})
}

func TestTimelineFailures(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context) error { return broken }
	panics := func(context.Context) error { panic("at the disco") }
	obeys := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		fault  *scripted
		calls  string
		check  func(in Injection) bool
		healAt time.Duration
	}{
		{"inject fails", &scripted{inject: fails}, "inject heal probe",
			func(in Injection) bool { return errors.Is(in.InjectErr, broken) && in.Healed && !in.Wedged }, sec(1)},
		{"inject panics", &scripted{inject: panics}, "inject heal probe",
			func(in Injection) bool { return strings.Contains(in.InjectErr.Error(), "at the disco") && in.Healed }, sec(1)},
		{"inject obeys its context", &scripted{inject: obeys}, "inject heal probe",
			func(in Injection) bool { return errors.Is(in.InjectErr, context.DeadlineExceeded) && !in.Wedged }, 5500 * time.Millisecond},
		{"heal fails", &scripted{heal: fails}, "inject heal",
			func(in Injection) bool { return errors.Is(in.HealErr, broken) && !in.Healed }, sec(3)},
		{"heal panics", &scripted{heal: panics}, "inject heal",
			func(in Injection) bool { return in.HealErr != nil && !in.Healed && !in.Wedged }, sec(3)},
		{"probe fails", &scripted{probe: fails}, "inject heal probe",
			func(in Injection) bool { return errors.Is(in.Err(), broken) && in.HealErr == nil && !in.Healed }, sec(3)},
		{"bite panics", &scripted{bite: func() Bite { panic("no count") }}, "inject heal probe",
			func(in Injection) bool { return in.Healed && in.Bite == Bite{} }, sec(3)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := clockFrom(0)
				tt.fault.clock = clock
				in := Timeline{Clock: clock, Plan: []Planned{{Name: "x", At: sec(1), For: sec(2), Fault: tt.fault}}}.Run(t.Context())[0]
				if tt.fault.seen() != tt.calls || !tt.check(in) || in.HealAt != tt.healAt {
					t.Errorf("calls %q, want %q; %+v", tt.fault.seen(), tt.calls, in)
				}
			})
		})
	}
}

func TestTimelineWedged(t *testing.T) {
	for _, which := range []string{"inject", "heal", "probe"} {
		t.Run(which, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := clockFrom(0)
				release := make(chan struct{})
				stuck := func(context.Context) error { <-release; return nil }
				f := &scripted{clock: clock}
				switch which {
				case "inject":
					f.inject = stuck
				case "heal":
					f.heal = stuck
				case "probe":
					f.probe = stuck
				}
				in := Timeline{Clock: clock, InjectWithin: sec(1), HealWithin: sec(2), ProbeWithin: sec(3),
					Plan: []Planned{{Name: "x", At: sec(1), For: sec(2), Fault: f}}}.Run(t.Context())[0]
				if !in.Wedged || !errors.Is(in.Err(), ErrWedged) {
					t.Errorf("%+v", in)
				}
				if healed := which == "inject"; in.Healed != healed {
					t.Errorf("healed is %v, want %v", in.Healed, healed)
				}
				before := f.seen()
				close(release)
				synctest.Wait()
				// An abandoned Inject that breaks something after all must be healed.
				want := before
				if which == "inject" {
					want += " heal"
				}
				if f.seen() != want {
					t.Errorf("calls after the release: %q, want %q", f.seen(), want)
				}
			})
		})
	}
}

// TestTimelineBehind: a fault waits for the faults that must have ended, however long they take to heal, and for no others.
func TestTimelineBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := clockFrom(0)
		slowly := func(ctx context.Context) error { return sleepFor(ctx, sec(2)) }
		first, second, other := &scripted{clock: clock, heal: slowly}, &scripted{clock: clock}, &scripted{clock: clock}
		in := Timeline{Clock: clock, Plan: []Planned{
			{Name: "second", At: sec(2), For: sec(4), Fault: second, Behind: []int{1}},
			{Name: "first", At: sec(1), For: sec(1), Fault: first},
			{Name: "other", At: sec(2), For: sec(1), Fault: other},
		}}.Run(t.Context())
		if in[0].InjectAt != sec(4) || in[0].HealAt != sec(6) || in[2].InjectAt != sec(2) {
			t.Errorf("the second from %v to %v, the other at %v; want 4 s to 6 s, and 2 s", in[0].InjectAt, in[0].HealAt, in[2].InjectAt)
		}
		// Faults that wait when the run ends are left out.
		ctx, cancel := context.WithTimeout(t.Context(), sec(1))
		defer cancel()
		begin := clock()
		wedged := &scripted{clock: clock, heal: func(context.Context) error { time.Sleep(sec(3)); return nil }}
		never := &scripted{clock: clock}
		in = Timeline{Clock: func() time.Duration { return clock() - begin }, Plan: []Planned{
			{Name: "wedged", At: 0, For: sec(1) / 2, Fault: wedged},
			{Name: "never", At: sec(1) / 2, For: sec(1), Fault: never, Behind: []int{0}},
		}}.Run(ctx)
		if in[1].Step != Waiting || never.seen() != "" {
			t.Errorf("what waited when the run ended: %+v", in[1])
		}
	})
}

func sleepFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
