package runner

import (
	"context"
	"fmt"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/reports/metric"
	"wringer/reports/saga"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// effectPlace is one of the named places of a stream's effects, with checks of its own.
type effectPlace struct {
	spec     *scenarios.Place
	lacks    func(metric.PlaceNeed) string
	observer *watch.Observer
	ledger   *integrity.Ledger
	times    *effects.Account // nil: the place cannot date effects, or none is due
	checks   []*caught        // ledger and times
	found    []reports.Findings
}

// openPlaces opens the places of a stream's effects.
func (s *step) openPlaces(ctx context.Context, m *member) error {
	if len(m.spec.Places) == 1 && m.spec.Places[0].Name == "" {
		return s.openPlace(ctx, m, &m.spec.Places[0])
	}
	for i := range m.spec.Places {
		if err := s.openPlace(ctx, m, &m.spec.Places[i]); err != nil {
			return err
		}
	}
	s.joinPlaces(m)
	return nil
}

// openPlace opens one place. The checks of a place without a name are those of the stream.
func (s *step) openPlace(ctx context.Context, m *member, spec *scenarios.Place) error {
	env := m.env
	env.Keys, env.Output = m.spec.Keys, s.outputs.follow
	if f, ok := m.spec.Driver.(drivers.Fed); ok && spec.Describe().Matched {
		var err error
		if env.Data, err = f.Feed(env.Files, env.Seed); err != nil {
			return placeError(spec, err)
		}
	}
	if d, ok := m.driver.(drivers.Recalling); ok {
		env.Sent, env.NotSent = d.SentBody()
	}
	env.Listener, env.Passed = s.listeners[m.spec.ListenerOf(spec)], s.passed(spec.Source)
	source, err := spec.Source.Open(ctx, env)
	if err != nil {
		return placeError(spec, err)
	}
	s.overhear(spec.Source, source)
	o := &watch.Observer{Source: source, Name: spec.Name, Place: spec.Kind + " effects"}
	s.opened.add(o.Close)
	m.observers = append(m.observers, o)
	lacks := func(need metric.PlaceNeed) string { return m.spec.Lacks(spec, need) }
	p := &effectPlace{spec: spec, lacks: lacks, observer: o, ledger: integrity.New(s.ledgerOf(m, spec))}
	own := []reports.Check{p.ledger}
	if lacks(metric.Dated) == "" && lacks(metric.Due) == "" {
		p.times = effects.New(effects.Config{Identity: m.env.Identity, Windows: m.plan.Names})
		own = append(own, p.times)
	}
	if spec.Name == "" {
		m.checks = append(m.checks, own...)
	} else {
		for _, check := range own {
			p.checks = append(p.checks, s.catch(m, check))
		}
		m.places = append(m.places, p)
	}
	if err := source.Start(ctx); err != nil {
		return placeError(spec, err)
	}
	return nil
}

// placeError names a place that has a name.
func placeError(spec *scenarios.Place, err error) error {
	if spec.Name == "" {
		return err
	}
	return fmt.Errorf("effects %s: %w", spec.Name, err)
}

// ledgerOf describes the account of a place.
func (s *step) ledgerOf(m *member, spec *scenarios.Place) integrity.Config {
	c := integrity.Config{
		Stream: m.spec.Name, Identity: m.env.Identity, Windows: m.plan.Names, WindowAt: m.plan.WindowAt,
		Mode: integrity.Effect, Order: integrity.RealTime, KeyOf: s.keyOf(m.spec),
		Place:        spec.Name,
		Bytes:        spec.Kind == "file",
		Optional:     m.spec.Lacks(spec, metric.Due) != "",
		Matched:      m.spec.Lacks(spec, metric.Matched) == "",
		NoRedelivery: m.spec.Lacks(spec, metric.Repeating) != "",
	}
	if m.spec.Lacks(spec, metric.Ordered) != "" {
		c.Order = integrity.None
	}
	return c
}

// joinPlaces adds the checks of all places together.
func (s *step) joinPlaces(m *member) {
	var ledgers []*integrity.Ledger
	dated, due := true, 0
	for _, p := range m.places {
		ledgers = append(ledgers, p.ledger)
		if p.lacks(metric.Due) == "" {
			due++
			dated = dated && p.lacks(metric.Dated) == ""
		}
	}
	m.checks = append(m.checks, integrity.Join(ledgers))
	if dated && due > 0 {
		m.checks = append(m.checks, &jointTimes{
			Account: effects.New(effects.Config{Identity: m.env.Identity, Windows: m.plan.Names, Places: due}), due: m.spec.Due(),
		})
	}
	if len(m.spec.Saga) > 0 {
		m.checks = append(m.checks, saga.New(saga.Config{CheckConfig: checkConfig(m), Compensations: m.spec.Saga, KeyOf: s.keyOf(m.spec)}))
	}
}

// jointTimes measures the time until an effect was seen in every place where it is due.
type jointTimes struct {
	*effects.Account
	due []*scenarios.Place
}

// SeenIn implements followsPlaces.
func (j *jointTimes) SeenIn(name string) reports.FollowsDeliveries {
	for i, p := range j.due {
		if p.Name == name {
			return j.Account.In(i)
		}
	}
	return nil
}

// followsPlaces are checks that tell the places of effects apart. SeenIn takes the deliveries of one place; nil: the check does not
// follow that place.
type followsPlaces interface {
	SeenIn(place string) reports.FollowsDeliveries
}

// followsPlace is what takes the deliveries of a place for a check.
func followsPlace(c reports.Check, name string) (reports.FollowsDeliveries, bool) {
	if f, ok := inner(c).(followsPlaces); ok {
		at := f.SeenIn(name)
		if own, ok := c.(*caught); ok && at != nil {
			return &caughtPlace{own, at}, true
		}
		return at, at != nil
	}
	if _, ok := inner(c).(reports.FollowsDeliveries); ok {
		return c.(reports.FollowsDeliveries), true
	}
	return nil, false
}

// subscribe lets the checks of the place follow its deliveries, and the operations of the stream.
func (p *effectPlace) subscribe(operations *traffic.Stream) {
	for _, c := range p.checks {
		p.observer.Checks = append(p.observer.Checks, c)
		operations.Follow(c)
	}
}

// finish closes the checks of the place, and returns its part of the record and its evidence.
func (p *effectPlace) finish(windows []string) (out reports.Place, violations []reports.Violation) {
	out = reports.Place{
		Name: p.spec.Name, Kind: p.spec.Kind, At: p.spec.Describe().Place, Unread: p.observer.Unread,
		Unmeasured: p.unmeasured(), Windows: make(map[string]*reports.PlaceMeasures),
	}
	filled := reports.Stream{Windows: make(map[string]*reports.Measures)}
	for _, name := range windows {
		filled.Windows[name] = &reports.Measures{}
	}
	for _, c := range p.checks {
		found := c.Finish(reports.Completeness{Known: p.observer.Unread == "", Why: p.observer.Unread})
		if found.Write != nil { // it did not break
			found.Write(&filled)
		}
		p.found = append(p.found, found)
		violations = append(violations, found.Violations...)
	}
	out.Total = placeMeasures(&filled.Total)
	for name, m := range filled.Windows {
		one := placeMeasures(m)
		out.Windows[name] = &one
	}
	return out, violations
}

func placeMeasures(m *reports.Measures) reports.PlaceMeasures {
	return reports.PlaceMeasures{Integrity: m.Integrity, Effect: m.Effect}
}

// unmeasured lists what the place cannot tell.
func (p *effectPlace) unmeasured() map[string]string {
	why := make(map[string]string)
	for name, need := range map[string]metric.PlaceNeed{
		"lost": metric.Due, "effect_ns": metric.Dated, "order_violations": metric.Ordered, "redelivered": metric.Repeating, "corrupt": metric.Matched,
	} {
		if lack := p.lacks(need); lack != "" {
			why[name] = lack
		}
	}
	return why
}

// judged is the place as the judge sees it.
func (p *effectPlace) judged() judge.Place { return judge.Place{Name: p.spec.Name, Findings: p.found} }
