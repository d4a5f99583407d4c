package envelope

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/runner"
)

// harm is a fault of a service in memory. Its kind is a key of these tests' language.
type harm struct {
	Harm    string        `yaml:"harm" jsonschema:"required"`
	Latency time.Duration `yaml:"latency" worse:"more"`
	Jitter  time.Duration `yaml:"jitter" worse:"more"`
	Errors  faults.Share  `yaml:"errors" worse:"more"`
	Left    faults.Share  `yaml:"left" worse:"less"` // of the workers' speed
	Many    int           `yaml:"many" worse:"more"`
	Cut     bool          `yaml:"cut"`
	Mode    string        `yaml:"mode"`
	Inner   *struct {
		Depth time.Duration `yaml:"depth" worse:"more"`
	} `yaml:"inner"`

	of *service
}

func (*harm) Check(func(field, message string))       {}
func (*harm) Kind() string                            { return "harm" }
func (h *harm) On() faults.Place                      { return faults.Place{} }
func (*harm) Describe() faults.Description            { return faults.Description{Words: "harm"} }
func (h *harm) Open(faults.Env) (faults.Fault, error) { return h, nil }
func (h *harm) Inject(context.Context) error          { h.of.harm(h); return nil }
func (h *harm) Heal(context.Context) error            { h.of.harm(nil); return nil }
func (*harm) Probe(context.Context) error             { return nil }
func (*harm) Bite() faults.Bite                       { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

// service is a target in memory whose frontier is known by construction: workers with a fixed service time, which a fault slows,
// cuts off, or makes refuse.
type service struct {
	count   int
	workers chan struct{}
	time    time.Duration
	// own changes what a fault does; nil: nothing.
	own func(h *harm, at *time.Duration) error
	// tips: once it was harmed more than it bears, it refuses until it is reset. slows: it only becomes four times as slow.
	tips  time.Duration
	slows bool

	mu     sync.Mutex
	harmed *harm
	healed chan struct{}
	seen   uint64
	tipped bool
}

func newService(workers int, each time.Duration) *service {
	return &service{count: workers, time: each}
}

// start hires the workers: in the bubble of the test.
func (s *service) start() {
	s.workers = make(chan struct{}, s.count)
	for range s.count {
		s.workers <- struct{}{}
	}
}

func (s *service) harm(h *harm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h == nil && s.healed != nil {
		close(s.healed)
		s.healed = nil
	}
	if s.harmed = h; h != nil {
		s.healed = make(chan struct{})
		s.seen = 0 // a share is then of the fault's operations, to one of them
		s.tipped = s.tipped || s.tips > 0 && h.Latency > s.tips
	}
}

// state is what is in force.
func (s *service) state() (h *harm, healed <-chan struct{}, n uint64, tipped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	return s.harmed, s.healed, s.seen, s.tipped
}

var errRefused = errors.New("refused")

// serve answers one operation: after its turn at a worker, and then the fault's latency on the way back.
func (s *service) serve(ctx context.Context) error {
	h, healed, n, tipped := s.state()
	each, late := s.time, time.Duration(0)
	switch {
	case tipped && s.slows:
		each *= 4
	case tipped:
		return errRefused
	}
	if h != nil {
		late = h.Latency
		if s.own != nil {
			if err := s.own(h, &late); err != nil {
				return err
			}
		}
		if h.Left > 0 {
			each = time.Duration(float64(each) / float64(h.Left))
		}
		if before := math.Floor(float64(n-1) * float64(h.Errors)); math.Floor(float64(n)*float64(h.Errors)) > before {
			return errRefused
		}
		if h.Cut {
			select {
			case <-healed: // bytes are held, and delivered after healing
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.workers:
	}
	time.Sleep(each)
	s.workers <- struct{}{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(late):
		return nil
	}
}

// memory sends to a service without a network.
type memory struct {
	of *service
}

func (*memory) Check(func(field, message string))   {}
func (*memory) Describe() drivers.Description       { return drivers.Description{} }
func (*memory) Close() error                        { return nil }
func (m *memory) Session() (drivers.Session, error) { return session{m}, nil }
func (m *memory) Open(context.Context, drivers.Env) (drivers.Driver, error) {
	return m, nil
}

type session struct{ *memory }

func (s session) Do(ctx context.Context, _ *drivers.Op, at *drivers.Attempt) {
	at.Wire = true
	switch err := s.of.serve(ctx); {
	case ctx.Err() != nil:
		at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "no answer")
	case err != nil:
		at.Answered = true
		at.Fail(drivers.Rejected, "busy", err.Error())
	default:
		at.Outcome, at.Answered = drivers.Acked, true
	}
}

func languageOf(s *service) scenarios.Language {
	return scenarios.Language{
		Drivers: map[string]func() drivers.Config{"memory": func() drivers.Config { return &memory{of: s} }},
		Faults:  map[string]func() faults.Config{"harm": func() faults.Config { return &harm{of: s} }},
		Metrics: recordtest.Metrics(),
	}
}

// bench is a scenario on a service.
type bench struct {
	service *service
	text    string
	reset   func() error
}

// read is the Read of the bench.
func (b *bench) read(c *scenarios.Change) (*scenarios.Scenario, error) {
	return scenarios.Parse("test.yaml", []byte(b.text), languageOf(b.service), scenarios.Options{Change: c})
}

// scenarioOf is a scenario with one fault, in flow style, and gates.
func scenarioOf(fault string, gates ...string) string {
	return `name: test
seed: 1
run: {warmup: 1s, duration: 12s, drain: 1s}
traffic:
  a: {memory: {}, rate: 50/s, timeout: 1s}
faults:
  - ` + fault + `
expect:
  - ` + strings.Join(gates, "\n  - ") + "\n"
}

// player plays steps on the bench.
type player struct {
	experiment *runner.Experiment
	dir        string
	steps      int
	reset      func() error
}

func (p *player) Play(ctx context.Context, _ int, st runner.Step) (*reports.Run, string, error) {
	p.steps++
	st.Dir = filepath.Join(p.dir, fmt.Sprint(p.steps))
	run, err := p.experiment.Play(ctx, st)
	return run, st.Dir, err
}

func (p *player) Reset(context.Context) error {
	if p.reset == nil {
		return errors.ErrUnsupported
	}
	return p.reset()
}

// rounds is how many seeds each family of targets gets.
var rounds = flag.Int("seeds", 1, "seeds of each family of targets")

// within bounds the searches of a test.
var within time.Duration

// searched searches in virtual time.
func searched(t testing.TB, b *bench, dir string, bounds Bounds, loads ...float64) (*Answer, Asked) {
	t.Helper()
	b.service.start()
	sc, err := b.read(nil)
	if err != nil {
		t.Fatal(err)
	}
	axis, err := NewAxis(sc, bounds)
	if err != nil {
		t.Fatal(err)
	}
	if err := axis.Check(sc, b.read); err != nil {
		t.Fatal(err)
	}
	scale, err := capacity.NewAxis(sc, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	opt := runner.Options{Dir: filepath.Join(dir, "root")}
	opt.Network.Virtual = true
	e, err := runner.Open(t.Context(), sc, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	asked := Asked{Axis: axis, Scale: scale, Loads: loads, Within: within}
	a, err := Find(t.Context(), sc, asked, b.read, &player{e, dir, 0, b.reset}, func(a *Answer, p Progress) {
		valid(t, a)
		t.Logf("trial %d at %v/s, %s: %s %s; %d left", len(a.Trials), p.Trial.Load, p.Trial.Value, p.Trial.Verdict, p.Trial.Why, p.LeftRuns)
	})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, a)
	return a, asked
}
