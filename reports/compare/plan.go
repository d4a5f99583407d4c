package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wringer/reports"
)

// Plan is what a run was to do: what two runs must have in common before their numbers can be compared.
type Plan struct {
	Warmup, Duration time.Duration
	// Measured is how long the measured part was; 0: it is not known beforehand.
	Measured time.Duration
	Streams  map[string]StreamPlan
	Faults   []FaultPlan
}

// StreamPlan is one stream of a plan, in the words of the record.
type StreamPlan struct {
	Driver, Model, Load string
	Keys                uint64
	// Offered is how many operations a second were due, of a record that does not tell its load; 0: it does.
	Offered float64
	Effects string // the kinds of places where effects were looked for
	Of      string
}

// FaultPlan is one injection of a plan.
type FaultPlan struct {
	Title, Kind, Spec, Place string
	Start, End               time.Duration
}

// PlanOf reads the plan of a record. Addresses are no part of it: the target may stand elsewhere.
func PlanOf(r *reports.Run) *Plan {
	p := &Plan{Warmup: time.Duration(r.WarmupNS), Duration: time.Duration(cmp.Or(r.PlannedNS, r.DurationNS)), Measured: time.Duration(r.DurationNS), Streams: make(map[string]StreamPlan)}
	for name, s := range r.Streams {
		one := StreamPlan{Driver: s.Driver, Model: s.Model, Load: s.Plan, Keys: s.Keys, Effects: effectsOf(s), Of: s.Of}
		if s.Plan == "" && r.DurationNS > 0 {
			one.Offered = float64(s.Total.Offered) / (float64(r.DurationNS) / 1e9)
		}
		p.Streams[name] = one
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		p.Faults = append(p.Faults, FaultPlan{
			Title: f.Title(), Kind: f.Kind, Spec: f.Spec, Place: placeOf(f), Start: time.Duration(f.StartNS), End: time.Duration(f.EndNS),
		})
	}
	return p
}

// Sent is the plan without what does not change the traffic: where effects are looked for, and how a stream's load is called.
func (p *Plan) Sent() *Plan {
	out := *p
	out.Streams = make(map[string]StreamPlan, len(p.Streams))
	for name, s := range p.Streams {
		out.Streams[name] = StreamPlan{Driver: s.Driver, Load: s.Load, Keys: s.Keys}
	}
	return &out
}

func effectsOf(s *reports.Stream) string {
	var all []string
	for _, p := range s.Places {
		all = append(all, p.Name+" ("+p.Kind+")")
	}
	switch {
	case len(all) > 0:
		return strings.Join(all, ", ")
	case s.Effects != "":
		return "observed"
	}
	return "not observed"
}

// placeOf is the broken thing. Which of several targets behind a link was broken is drawn, and told by the fault's own text.
func placeOf(f *reports.Fault) string {
	switch {
	case f.Link != nil:
		return "link " + *f.Link
	case f.Part != nil:
		return "part " + *f.Part
	}
	return ""
}

// fact is one statement of a plan.
type fact struct{ what, value string }

// facts are the statements of a plan that must agree, apart from the times of faults.
func (p *Plan) facts() []fact {
	all := []fact{{"warm-up", p.Warmup.String()}, {"duration", p.Duration.String()}}
	names := slices.Sorted(maps.Keys(p.Streams))
	all = append(all, fact{"streams", strings.Join(names, ", ")})
	for _, name := range names {
		s := p.Streams[name]
		all = append(all, fact{"driver of stream " + name, s.Driver}, fact{"load of stream " + name, strings.TrimPrefix(s.Model+", "+s.Load, ", ")}, fact{"keys of stream " + name, fmt.Sprint(s.Keys)},
			fact{"effects of stream " + name, s.Effects}, fact{"origin of stream " + name, s.Of})
	}
	var titles []string
	for _, f := range p.Faults {
		titles = append(titles, f.Title)
	}
	all = append(all, fact{"faults", strings.Join(titles, ", ")})
	for _, f := range p.Faults {
		all = append(all, fact{"fault " + f.Title, strings.TrimPrefix(f.Place+": ", ": ") + f.Spec})
	}
	return all
}

// slack is how far apart two injections of one plan may lie: injecting takes a while, and a busy machine makes it longer.
func (f *FaultPlan) slack() time.Duration { return max(time.Second, (f.End-f.Start)/4) }

// Differences names what differs between two plans and matters. a and b are the names of their runs.
func (p *Plan) Differences(other *Plan, a, b string) []string {
	var all []string
	theirs := make(map[string][]string) // several statements may be about things of one name
	for _, f := range other.facts() {
		theirs[f.what] = append(theirs[f.what], f.value)
	}
	for _, f := range p.facts() {
		values := theirs[f.what]
		if len(values) == 0 {
			continue
		}
		value := values[0]
		theirs[f.what] = values[1:]
		if value != f.value {
			all = append(all, fmt.Sprintf("%s: %s in %s, %s in %s", f.what, none(f.value), a, none(value), b))
		}
	}
	all = append(all, p.amounts(other, a, b)...)
	if len(p.Faults) != len(other.Faults) {
		return all
	}
	for i := range p.Faults {
		x, y := &p.Faults[i], &other.Faults[i]
		if x.Title == y.Title && (apart(x.Start, y.Start) > x.slack() || apart(x.End, y.End) > x.slack()) {
			all = append(all, fmt.Sprintf("time of fault %s: %s in %s, %s in %s", x.Title, reports.Span(int64(x.Start), int64(x.End)), a, reports.Span(int64(y.Start), int64(y.End)), b))
		}
	}
	return all
}

// alike is the largest difference of amounts that are measured and not planned, as a part of the larger one.
const alike = 0.05

// amounts compares what is measured: the length, and the load of records that do not tell their plan.
func (p *Plan) amounts(other *Plan, a, b string) (all []string) {
	differ := func(x, y float64) bool { return x > 0 && y > 0 && max(x, y)-min(x, y) > alike*max(x, y) }
	if p.Duration == other.Duration && differ(float64(p.Measured), float64(other.Measured)) {
		all = append(all, fmt.Sprintf("measured part: %s in %s, %s in %s", p.Measured, a, other.Measured, b))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Streams)) {
		if x, y := p.Streams[name].Offered, other.Streams[name].Offered; differ(x, y) {
			all = append(all, fmt.Sprintf("load of stream %s: %s in %s, %s in %s", name, reports.Rate(x), a, reports.Rate(y), b))
		}
	}
	return all
}

func apart(a, b time.Duration) time.Duration { return max(a-b, b-a) }

func none(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
