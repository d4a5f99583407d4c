package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
)

// moreThanNone reports a value that is 0 although it was written down. It leaves a place alone that already has a problem.
func (d *decoder) moreThanNone(n *node, name string, zero bool) {
	if zero && n != nil && !d.reportedAt(n) {
		d.problem(n, "%s: must be more than 0", name)
	}
}

// reportedAt returns true if a problem was reported at the place of n.
func (d *decoder) reportedAt(n *node) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p == n.problem(d.file, p.Message) })
}

// atMost reports a value beyond its bound.
func atMost[T int | int64 | uint64 | time.Duration](d *decoder, n *node, name string, value, most T) {
	if value > most && n != nil {
		d.problem(n, "%s: %v is more than the maximum of %v", name, value, most)
	}
}

func atLeastOne(d *decoder, n *node, name string, value int) {
	if value < 1 && n != nil && !d.reportedAt(n) {
		d.problem(n, "%s: must be 1 or more", name)
	}
}

// checkTiming checks the run's length and fills its defaults.
func (r *reader) checkTiming(s *Scenario) {
	if at := r.root.get("name"); at != nil && !r.reportedAt(at) && !scenarioName.MatchString(s.Name) {
		r.problem(at, "name: %s is no name: write letters, digits, - and _, at most 100", quote(s.Name))
	}
	if at := r.root.get("seed"); at != nil && s.Seed < 0 {
		r.problem(at, "seed: must not be negative")
	}
	n := r.root.get("run")
	if n == nil {
		return
	}
	r.moreThanNone(n.get("duration"), "duration", s.Run.Duration == 0)
	r.moreThanNone(n.get("drain"), "drain", s.Run.Drain == 0)
	r.moreThanNone(n.get("max_lag"), "max_lag", s.Run.MaxLag == 0)
	atMost(&r.decoder, n.get("warmup"), "warmup", s.Run.Warmup, MaxPlanLength)
	atMost(&r.decoder, n.get("duration"), "duration", s.Run.Duration, MaxPlanLength)
	atMost(&r.decoder, n.get("drain"), "drain", s.Run.Drain, MaxPlanLength)
	setDefault(&s.Run.Drain, DefaultDrain)
	setDefault(&s.Run.MaxLag, DefaultMaxLag)
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// checkStream checks a stream by itself and fills its defaults.
func (r *reader) checkStream(key, n *node, s *Stream) {
	if n.kind != table {
		return
	}
	rate, users := n.get("rate"), n.get("users")
	switch {
	case rate != nil && users != nil:
		r.problem(users, "%s: has rate and users; give rate for an open model, users for a closed one", s.Name)
	case rate == nil && users == nil:
		r.problem(key, "%s: has no load; give rate (open model) or users (closed model)", s.Name)
	}
	if think := n.get("think"); think != nil && users == nil {
		r.problem(think, "think: works only with users; a rate does not wait for answers")
	}
	atLeastOne(&r.decoder, users, "users", s.Users)
	atMost(&r.decoder, users, "users", s.Users, MaxUsers)
	r.moreThanNone(n.get("keys"), "keys", s.Keys == 0)
	atMost(&r.decoder, n.get("keys"), "keys", s.Keys, MaxKeys)
	if at := n.get("operations"); at != nil && s.Operations < 1 && !r.reportedAt(at) {
		r.problem(at, "operations: must be 1 or more")
	}
	r.moreThanNone(n.get("timeout"), "timeout", s.Timeout == 0)
	r.moreThanNone(n.get("deadline"), "deadline", s.Deadline == 0)
	for _, key := range []string{"timeout", "deadline", "think"} {
		atMost(&r.decoder, n.get(key), key, map[string]time.Duration{"timeout": s.Timeout, "deadline": s.Deadline, "think": s.Think}[key], MaxPlanLength)
	}
	r.checkInFlight(n.get("max_in_flight"), s)
	setDefault(&s.Timeout, DefaultTimeout)
	r.checkProbes(n, s)
	r.checkSaga(n.get("saga"), s)
	if s.Retry != nil {
		r.checkRetry(n.get("retry"), s)
	}
	if at := n.get("outcomes"); at != nil && at.kind == table {
		if len(s.Describe().Steps) > 0 {
			r.problem(at, "outcomes: does not work with steps, because the code of a step says nothing about earlier steps; write ok in the step")
		}
		r.checkOutcomes(at, s)
	}
}

func (r *reader) checkInFlight(at *node, s *Stream) {
	if at != nil && s.Users > 0 {
		r.problem(at, "max_in_flight: works only with rate; %d users have at most %d operations in flight", s.Users, s.Users)
	}
	atLeastOne(&r.decoder, at, "max_in_flight", s.MaxInFlight)
	atMost(&r.decoder, at, "max_in_flight", s.MaxInFlight, MaxUsers)
	switch {
	case s.Users > 0:
		s.MaxInFlight = s.Users
	case s.Rate != nil && s.Rate.Max:
		setDefault(&s.MaxInFlight, DefaultMaxRateUsers)
	default:
		setDefault(&s.MaxInFlight, DefaultMaxInFlight)
	}
}

func (r *reader) checkRetry(n *node, s *Stream) {
	if n.kind != table {
		return
	}
	retry := s.Retry
	atLeastOne(&r.decoder, n.get("attempts"), "attempts", retry.Attempts)
	atMost(&r.decoder, n.get("attempts"), "attempts", retry.Attempts, MaxAttempts)
	atMost(&r.decoder, n.get("backoff"), "backoff", retry.Backoff, MaxPlanLength)
	atMost(&r.decoder, n.get("max_backoff"), "max_backoff", retry.MaxBackoff, MaxPlanLength)
	if at := n.get("max_backoff"); at != nil && retry.MaxBackoff < retry.Backoff && !r.reportedAt(at) {
		r.problem(at, "max_backoff: is below backoff (%s)", retry.Backoff)
	}
	if at := n.get("budget"); at != nil && retry.Budget != nil && *retry.Budget > 1 {
		r.problem(at, "budget: is a share of the operations, at most 100%%")
	}
	setDefault(&retry.MaxBackoff, max(DefaultMaxBackoff, retry.Backoff))
	setDefault(&retry.Jitter, JitterFull)
	if at := n.get("on"); at != nil && len(at.items) == len(retry.On) {
		if len(retry.On) == 0 {
			r.problem(at, "on: is empty; leave it out to retry every indeterminate attempt")
		}
		for i := range retry.On {
			retry.On[i] = r.code(at.items[i], s, "on", retry.On[i])
		}
	}
}

// checkOutcomes checks that each code has one meaning, and normalizes the codes.
func (r *reader) checkOutcomes(n *node, s *Stream) {
	allowed := []string{drivers.Acked.String(), drivers.Rejected.String(), drivers.Indeterminate.String()}
	seen := make(map[string]string)
	for _, f := range n.fields {
		meaning := f.key.text
		if !slices.Contains(allowed, meaning) {
			r.problem(f.key, "outcomes: unknown key %s; %s", quote(meaning), choices(meaning, allowed))
			continue
		}
		codes := s.Outcomes[meaning]
		for i := range codes {
			codes[i] = r.code(f.value.items[i], s, meaning, codes[i])
			if before, ok := seen[codes[i]]; ok {
				r.problem(f.value.items[i], "%s: %s is listed under %s already; a code has one meaning", meaning, codes[i], before)
			}
			seen[codes[i]] = meaning
		}
	}
}

// reserved are the words for windows that no fault may take as its name.
var reserved = []string{faults.Baseline, faults.Drain, "warmup", "after"}

// checkPlace: what a fault breaks must exist, or it would touch no traffic.
func (r *reader) checkPlace(name string, place faults.Place, n *node, s *Scenario) {
	if link, path := faults.CutBranch(place.Link); place.Link != "" {
		names := s.breakable()
		switch {
		case path != "" && s.branched(link):
			if err := s.checkBranch(link, path); err != nil {
				r.problem(placeOf(n, place.Link), "%s: %v", name, err)
			}
		case path != "" && slices.Contains(names, link):
			r.problem(placeOf(n, place.Link), "%s: this link breaks only as a whole: write %s, without %s", name, quote(link), quote("/"+path))
		case !slices.Contains(names, link):
			r.problem(placeOf(n, place.Link), "%s: there is no link %s; a link has the name of a stream, or is listed under links; %s", name, quote(place.Link), choices(link, names))
		}
	}
	if place.Part == "" || r.vars.anyLate {
		return
	}
	if s.Target == nil {
		r.problem(placeOf(n, place.Part), "%s: there is no part %s, because the scenario has no target", name, quote(place.Part))
	} else if parts := s.Target.PartNames(); !slices.Contains(parts, place.Part) {
		r.problem(placeOf(n, place.Part), "%s: the target has no part %s; %s", name, quote(place.Part), choices(place.Part, parts))
	}
}

// checkClients: a fault must be able to act on the clients of a stream's own link, as far as the scenario tells them.
func (r *reader) checkClients(name string, c faults.Config, n *node, s *Scenario) {
	choosy, ok := c.(faults.Choosy)
	if !ok || r.reportedAt(n) {
		return
	}
	link, _ := faults.CutBranch(c.On().Link)
	var clients faults.Clients
	switch behind := s.behind(link).(type) {
	case drivers.Config:
		d := behind.Describe()
		clients = faults.Clients{TLS: d.TLS, Recognised: d.Recognised}
	case drivers.SourceConfig:
		clients = faults.Clients{TLS: behind.Describe().TLS}
	}
	if why := choosy.Refuses(clients); why != "" {
		r.problem(placeOf(n, c.On().Link), "%s: %s", name, why)
	}
}

// placeOf is the field of n that names the place, or n itself.
func placeOf(n *node, name string) *node {
	for _, f := range n.fields {
		if f.key.text == "name" {
			continue
		}
		if v := f.value.holding(name); v != nil {
			return v
		}
	}
	return n
}

// holding is the text in n, itself or in its lists and tables; nil if it is not there.
func (n *node) holding(text string) *node {
	if n.kind == scalar && n.text == text {
		return n
	}
	for _, item := range n.items {
		if v := item.holding(text); v != nil {
			return v
		}
	}
	for _, f := range n.fields {
		if v := f.value.holding(text); v != nil {
			return v
		}
	}
	return nil
}

// checkGate checks a gate against the rest of the scenario: its stream, metric and window must exist.
func (r *reader) checkGate(n *node, g *Gate, s *Scenario) {
	switch g.Subject.Kind {
	case LinkSubject:
		r.checkLinkGate(n, g, s)
		return
	case ObserveSubject:
		r.checkObserveGate(n, g, s)
		return
	}
	i := slices.IndexFunc(s.Traffic, func(t Stream) bool { return t.Name == g.Stream })
	if i < 0 {
		r.noStream(n, g, s)
		return
	}
	if why := s.Traffic[i].unmeasured(g.Metric, s); why != "" {
		r.problem(n, "gate %s: %s cannot be measured: %s", quote(g.Expr), g.Metric.Full(), why)
		return
	}
	if err := g.checkPart(&r.lang, &s.Traffic[i]); err != nil {
		r.problem(n, "gate %s: %v", quote(g.Expr), err)
		return
	}
	if g.ofPlace() && !r.checkPlaceGate(n, g, &s.Traffic[i]) {
		return
	}
	if g.Metric.Class == metric.Recovery && !g.nameFault(s) {
		r.problem(n, "gate %s: %s is read from one fault: end the gate with after FAULT", quote(g.Expr), g.Metric.Name)
		return
	}
	if g.Scope.EverySecond && g.Metric.Unit == metric.PerSecond && s.Traffic[i].Operations > 0 {
		r.problem(n, "gate %s: the last second of %s is cut short by its operations, and a rate in it says nothing: take `in every second` away", quote(g.Expr), g.Stream)
		return
	}
	r.checkScope(n, g, s)
}

// noStream tells that a gate names a stream that is none.
func (r *reader) noStream(n *node, g *Gate, s *Scenario) {
	var names []string
	for i := range s.Traffic {
		names = append(names, s.Traffic[i].Name)
	}
	r.problem(n, "gate %s: there is no stream %s; %s", quote(g.Expr), quote(g.Stream), choices(g.Stream, names))
}

// nameFault gives a gate on recovery without a scope the scenario's only fault.
func (g *Gate) nameFault(s *Scenario) bool {
	if g.Scope.Window == "" && len(s.entries) == 1 {
		g.Scope.Window = faults.After(s.entries[0].Name)
	}
	window := strings.TrimPrefix(g.Scope.Window, faults.After(""))
	return window != "" && window != faults.Baseline && window != faults.Drain && !s.isPhase(window) && s.stepOf(window) == ""
}

// checkScope: the window must be one of the run, and have a length.
func (r *reader) checkScope(n *node, g *Gate, s *Scenario) {
	if g.Scope.Window == "" || s.Run.Duration == 0 || r.blurred {
		return
	}
	names := s.windowsOf(g.Stream)
	window := g.Scope.Window
	fault := strings.TrimPrefix(window, faults.After(""))
	switch g.Metric.At {
	case metric.DuringFault:
		window = fault
	case metric.AfterFault:
		window = faults.After(fault)
	}
	if slices.Contains(names, window) {
		return
	}
	switch step := s.stepOf(fault); {
	case fault != window && (s.isPhase(fault) || step != ""):
		r.problem(n, "gate %s: after takes the name of a fault, and %s is none; write during %s", quote(g.Expr), fault, fault)
	case step != "" && step != s.stepsOf(g.Stream):
		r.problem(n, "gate %s: %s is a step of %s, and a step is a window of its stream alone; %s", quote(g.Expr), window, step, choices(window, names))
	case fault == faults.Baseline || s.isFault(fault) || s.isPhase(fault) || step != "":
		r.problem(n, "gate %s: the window %s has no length in this plan%s; %s", quote(g.Expr), quote(window), s.takenBy(g.Stream, window), choices(window, names))
	default:
		r.problem(n, "gate %s: there is no window %s; %s", quote(g.Expr), quote(window), choices(window, names))
	}
}

// gaugesOf lists the gauges that a stream's driver and effects declare; false when the stream is not known.
func gaugesOf(s *Scenario, stream string) (of gauges, known bool) {
	t := s.Stream(stream)
	switch {
	case t == nil:
		return of, false
	case t.Consume != nil:
		d := t.Consume.Describe()
		of.add(d.Gauges, d.Counters)
		if d.Grouped {
			of.add(reports.GroupGauges(), nil)
		}
		return of, t.Consume.Source != nil
	}
	d := t.Describe()
	of.add(d.Gauges, d.Counters)
	of.anomalies = d.Anomalies
	for _, p := range t.Places {
		d := p.Describe()
		of.add(d.Gauges, d.Counters)
	}
	return of, t.Driver != nil
}

func (g *gauges) add(names, counters []string) {
	g.names, g.counters = append(g.names, names...), append(g.counters, counters...)
}

// Plan describes in words how much the stream sends.
func (s *Stream) Plan() string {
	switch {
	case s.Consume != nil:
		return s.Consume.Plan()
	case s.Rate != nil && s.Rate.Max:
		return fmt.Sprintf("max, %d in flight", s.MaxInFlight)
	case s.Rate != nil:
		return s.Rate.String()
	}
	text := strconv.Itoa(s.Users) + " users"
	if s.Think > 0 {
		text += fmt.Sprintf(", thinking %s", s.Think)
	}
	return text
}
