package runner

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/drivers/witness"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/requests"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
)

// linkWitness is the witness of a link between services. The link outlives the steps of an experiment, and each step has an account
// of its own. Requests between the steps are in none. It is safe for concurrent use.
type linkWitness struct {
	spec   *scenarios.Link
	to     atomic.Pointer[audience]
	passed atomic.Bool // any request of AMQP

	mu    sync.Mutex
	blind string // why a connection could not be read, in any step
}

// linkAccount is the account of a link in one step.
type linkAccount struct {
	*requests.Account
	witness *linkWitness
}

// audience is who hears of a link's requests in one step: its account, and the sources of places that overhear it. It implements
// drivers.Requests.
type audience struct {
	*requests.Account
	sources []drivers.Requests
}

// Arrived implements drivers.Requests.
func (a *audience) Arrived(r *drivers.Request) {
	a.Account.Arrived(r)
	if len(a.sources) == 0 || r.To == nil {
		return
	}
	r.To = a
	for _, s := range a.sources {
		s.Arrived(r)
	}
}

// Over implements drivers.Requests.
func (a *audience) Over(r *drivers.Request) {
	for _, s := range a.sources {
		s.Over(r)
	}
	a.Account.Over(r)
}

// Blind implements drivers.Requests.
func (a *audience) Blind(why string) {
	a.Account.Blind(why)
	for _, s := range a.sources {
		s.Blind(why)
	}
}

// Arrived implements drivers.Requests. The audience of the present step takes the request, to its end.
func (w *linkWitness) Arrived(r *drivers.Request) {
	if !w.passed.Load() && witness.IsAMQP(r.Kind) {
		w.passed.Store(true)
	}
	if a := w.to.Load(); a != nil {
		a.Arrived(r)
	}
}

// Identified and Over are never called: they go to the account that took the request.
func (w *linkWitness) Identified(*drivers.Request) {}
func (w *linkWitness) Over(*drivers.Request)       {}

// Blind implements drivers.Requests. The connection may live on, so every later step is blind too.
func (w *linkWitness) Blind(why string) {
	w.mu.Lock()
	w.blind = cmp.Or(w.blind, why)
	w.mu.Unlock()
	if a := w.to.Load(); a != nil {
		a.Blind(why)
	}
}

// begin makes a the audience of the present step.
func (w *linkWitness) begin(a *audience) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blind != "" {
		a.Blind(w.blind)
	}
	w.to.Store(a)
}

// overlook puts a witness behind a link, if the scenario asks for one.
func (e *Experiment) overlook(spec *scenarios.Link, link faults.Link) error {
	if !spec.Witness.On {
		return nil
	}
	place, err := witness.ParsePlace(spec.Witness.ID)
	if err != nil {
		return fmt.Errorf("link %s: witness.id: %w", spec.Name, err)
	}
	overlooked, ok := link.(faults.Overlooked)
	if !ok {
		return fmt.Errorf("link %s: a %T has no room for a witness behind it", spec.Name, link)
	}
	w := &linkWitness{spec: spec}
	e.witnesses = append(e.witnesses, w)
	reader := witness.OnLink(place, func() drivers.Requests { return w })
	if e.scenario.ComparesOn(spec.Name) {
		reader.KeepBodies()
	}
	overlooked.Overlook(func(dial faults.DialFunc) faults.DialFunc {
		return faults.DialFunc(reader.Watch(drivers.DialFunc(dial)))
	})
	return nil
}

// openAccounts opens the accounts of the step's links. Each stream that sends may cause requests on each link.
func (s *step) openAccounts() {
	var cuts []time.Duration
	for _, m := range s.streams {
		for _, p := range append(slices.Clone(s.plan.Pieces), m.plan.Pieces...) {
			cuts = append(cuts, p.Start, p.End)
		}
	}
	for _, w := range s.witnesses {
		a := requests.New(requests.Config{Link: w.spec.Name, Identity: w.spec.Witness.ID, Methods: w.spec.Witness.Methods, Clock: s.clock, Duration: s.sc.Run.Duration, Cuts: cuts})
		for _, m := range s.streams {
			if m.driver != nil && s.sc.Tied(w.spec, m.spec) {
				m.checks = append(m.checks, a.Pair(m.env.Identity))
			}
		}
		s.links = append(s.links, &linkAccount{a, w})
	}
}

// watchLinks begins the accounts, once the run's clock has begun. The returned function ends them.
func (s *step) watchLinks() (end func()) {
	var ends []func()
	for _, l := range s.links {
		a := &audience{l.Account, s.overhearing[l.witness.spec.Name]}
		l.witness.begin(a)
		ends = append(ends, func() { l.witness.to.CompareAndSwap(a, nil) })
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// passed is how a source learns whether anything has passed the link that it overhears; nil: it overhears none.
func (s *step) passed(c drivers.SourceConfig) func() bool {
	o, ok := c.(drivers.Overhearing)
	if !ok {
		return nil
	}
	for _, w := range s.witnesses {
		if w.spec.Name == o.Overhears() {
			return w.passed.Load
		}
	}
	return nil
}

// overhear lets a source hear of the requests of its link.
func (s *step) overhear(c drivers.SourceConfig, source drivers.Source) {
	o, ok := c.(drivers.Overhearing)
	to, hears := source.(drivers.Requests)
	if ok && hears {
		if s.overhearing == nil {
			s.overhearing = make(map[string][]drivers.Requests)
		}
		s.overhearing[o.Overhears()] = append(s.overhearing[o.Overhears()], to)
	}
}

// accountOf returns the account of the link that a fault breaks as a whole; nil without one.
func (s *step) accountOf(fault int) *requests.Account {
	name, branch := faults.CutBranch(s.sc.Faults[fault].Config.On().Link)
	for _, l := range s.links {
		if l.witness.spec.Name == name && branch == "" {
			return l.Account
		}
	}
	return nil
}

// tellLinks tells the account of a fault's link when the fault comes into force and ends.
func (s *step) tellLinks(e faults.Event) {
	a := s.accountOf(e.Injection.Index)
	switch {
	case a == nil:
	case e.Step == faults.Injecting:
		a.Inject(e.Injection.Index)
	case e.Step == faults.Healing:
		a.Heal(e.Injection.Index)
	}
}

// concludeLinks closes the accounts, puts them into the record, and hands them to the judge. It returns the evidence. The checks
// have finished.
func (s *step) concludeLinks(run *reports.Run, f *judge.Facts) (evidence []reports.Violation) {
	for _, l := range s.links {
		l.End(time.Duration(run.DurationNS))
		f.Links = append(f.Links, judge.Link{Name: l.witness.spec.Name, Account: l.Account})
		evidence = append(evidence, l.Violations(func(at time.Duration) string {
			switch i := s.plan.WindowAt(at); {
			case i == reports.WindowWarmup:
				return ""
			case at >= time.Duration(run.DurationNS):
				return faults.Drain
			default:
				return s.plan.Names[i]
			}
		})...)
	}
	f.Plan, f.Met = s.plan, s.met
	if len(s.links) > 0 {
		run.Links = f.LinkRecords(run)
	}
	return evidence
}

// met is the number of requests that a fault met, where its link has a witness.
func (s *step) met(fault int) (n int64, atLeast, known bool) {
	if a := s.accountOf(fault); a != nil {
		return a.Met(fault)
	}
	return 0, false, false
}
