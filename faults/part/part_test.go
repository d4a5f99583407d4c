package part

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

// server is a part that serves while it is up.
type server struct {
	mu     sync.Mutex
	down   string
	met    int64
	calls  []string
	fail   map[string]error
	stuck  chan struct{} // if set, the verb in wedge blocks on it and ignores its context
	wedge  string
	served int
}

func (s *server) do(ctx context.Context, verb, down string) error {
	if s.wedge == verb {
		<-s.stuck
	} else if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, verb)
	if err := s.fail[verb]; err != nil {
		return err
	}
	s.down = down
	return nil
}

func (s *server) Pause(ctx context.Context) error  { return s.do(ctx, "pause", "paused") }
func (s *server) Resume(ctx context.Context) error { return s.do(ctx, "resume", "") }
func (s *server) Kill(ctx context.Context) error   { return s.do(ctx, "kill", "killed") }
func (s *server) Start(ctx context.Context) error  { return s.do(ctx, "start", "") }

func (s *server) Met() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

func (s *server) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != "" {
		return errors.New(s.down)
	}
	return nil
}

func (s *server) serve(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != "" {
		s.met++
		return errors.New(s.down)
	}
	s.served++
	return nil
}

func (s *server) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func open(t *testing.T, c Config, p faults.Part) *Fault {
	t.Helper()
	f, err := c.Open(faults.Env{Part: func(name string) (faults.Part, error) {
		if name != "stock" {
			return nil, fmt.Errorf("no part %s", name)
		}
		return p, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f.(*Fault)
}

func TestConformance(t *testing.T) {
	for _, c := range []Config{{Pause: "stock"}, {Kill: "stock"}} {
		t.Run(c.Kind(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				s := &server{}
				return faulttest.Rig{Config: &c, Fault: open(t, c, s), Meet: s.serve}
			})
		})
	}
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := open(t, Config{Kill: "stock", Every: 500 * time.Millisecond}, s)
		ctx, cancel := context.WithCancel(t.Context())
		if err := f.Inject(ctx); err != nil {
			t.Fatal(err)
		}
		cancel() // the strikes continue after the context of Inject ended
		wait(1200 * time.Millisecond)
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("between two strikes: %v", err)
		}
		if err := f.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		wait(5 * time.Second)
		if got, want := s.seen(), "kill start kill start kill start start"; got != want {
			t.Errorf("calls %q, want %q", got, want)
		}
	})
}

func TestHealEndsTheStrikesOfTwoInjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, Config{Pause: "stock", Every: time.Second}, &server{})
		for range 2 {
			if err := f.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.Heal(ctx); err != nil {
			t.Error(err)
		}
	})
}

func wait(d time.Duration) { <-time.NewTimer(d).C }

func TestEveryTellsAFailedStrike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := open(t, Config{Pause: "stock", Every: time.Second}, s)
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.fail = map[string]error{"pause": errors.New("no such process")}
		s.mu.Unlock()
		wait(1500 * time.Millisecond)
		if err := f.Heal(t.Context()); err == nil || !strings.Contains(err.Error(), "no such process") {
			t.Errorf("heal told %v", err)
		}
		if err := f.Heal(t.Context()); err != nil {
			t.Errorf("the second heal: %v", err)
		}
	})
}

func TestInjectFailedIsUndone(t *testing.T) {
	s := &server{fail: map[string]error{"kill": faults.ErrUnsupported{Part: "stock", Verb: "kill"}}}
	f := open(t, Config{Kill: "stock"}, s)
	err := f.Inject(t.Context())
	if unsupported := (faults.ErrUnsupported{}); !errors.As(err, &unsupported) {
		t.Errorf("inject: %v", err)
	}
	if got := s.seen(); got != "kill start" {
		t.Errorf("calls %q", got)
	}
}

// TestHealGivesUpOnAStuckInject: the part must come back although Heal could not wait for Inject.
func TestHealGivesUpOnAStuckInject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{wedge: "kill", stuck: make(chan struct{})}
		f := open(t, Config{Kill: "stock"}, s)
		injected := make(chan error, 1)
		go func() { injected <- f.Inject(context.WithoutCancel(t.Context())) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Heal(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("heal: %v", err)
		}
		close(s.stuck)
		if err := <-injected; !errors.Is(err, errHealed) {
			t.Errorf("inject: %v", err)
		}
		if got := s.seen(); got != "kill start" || s.down != "" {
			t.Errorf("calls %q, the part is %q", got, s.down)
		}
	})
}

func TestConfig(t *testing.T) {
	tests := []struct {
		config  Config
		problem string
		words   string
	}{
		{Config{Pause: "stock"}, "", "pause stock"},
		{Config{Kill: "stock", Every: 500 * time.Millisecond}, "", "kill stock, every 500ms"},
		{Config{}, "pause", "pause "},
		{Config{Pause: "a", Kill: "b"}, "kill", "kill b"},
		{Config{Kill: "a", Every: -time.Second}, "every", "kill a"},
		{Config{Kill: "a", Every: time.Millisecond}, "every", "kill a, every 1ms"},
		{Config{Pause: "a", Every: time.Second}, "every", "pause a, every 1s"},
		{Config{CPU: "a", Share: 0.2, Every: time.Second}, "every", "cpu a, every 1s"},
		{Config{CPU: "a", Share: 0.2}, "", "cpu a, 20% of the time"},
		{Config{CPU: "a", Share: 1}, "share", "cpu a, 100% of the time"},
		{Config{CPU: "a"}, "share", "cpu a"},
		{Config{Kill: "a", Share: 0.2}, "share", "kill a, 20% of the time"},
		{Config{Files: "a", Limit: 3}, "", "files a, at most 3 open"},
		{Config{Kill: "a", Limit: 3}, "limit", "kill a"},
	}
	for _, tt := range tests {
		var fields []string
		tt.config.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problem {
			t.Errorf("%+v: problems %q, want %q", tt.config, got, tt.problem)
		}
		if got := tt.config.words(); got != tt.words {
			t.Errorf("%+v: %q, want %q", tt.config, got, tt.words)
		}
	}
	c := Config{Kill: "nothing"}
	_, err := c.Open(faults.Env{Part: func(string) (faults.Part, error) { return nil, errors.New("no part nothing") }})
	if err == nil || c.On() != (faults.Place{Part: "nothing"}) {
		t.Errorf("open: %v, on %+v", err, c.On())
	}
}

func TestExcludes(t *testing.T) {
	pause, files, elsewhere := &Config{Pause: "x"}, &Config{Files: "x"}, &Config{Kill: "y"}
	if !pause.Excludes(files) || !files.Excludes(pause) || pause.Excludes(elsewhere) {
		t.Error("a part is broken by one fault at a time, and that alone is excluded")
	}
}

// slowPart is a part whose calls take longer than the timeline's bound.
type slowPart struct{ server }

func (*slowPart) Patience() time.Duration { return time.Minute }

func TestAFaultOnASlowPartIsSlow(t *testing.T) {
	for part, want := range map[faults.Part]time.Duration{&server{}: 0, &slowPart{}: time.Minute} {
		if got := faults.Slow(open(t, Config{Pause: "stock"}, part)).Patience(); got != want {
			t.Errorf("on a %T: %v, want %v", part, got, want)
		}
	}
}
