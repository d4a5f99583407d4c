package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/faults"
)

// Fact is a figure with its name, as a report shows it.
type Fact struct{ Label, Value string }

// Headline is the first reason behind the verdict.
func (r *Run) Headline() string {
	if len(r.Why) == 0 {
		return "the record gives no reason"
	}
	return r.Why[0]
}

// Others are the reasons behind the verdict beside the headline.
func (r *Run) Others() []string {
	if len(r.Why) == 0 {
		return nil
	}
	return r.Why[1:]
}

// Title names the fault apart from others of its name.
func (f *Fault) Title() string { return faults.Label(f.Name, f.Round) }

// Place says what the fault broke: link orders, part fulfilment; empty when the record does not say.
func (f *Fault) Place() string {
	switch {
	case f.Link != nil && f.Peer != "" && !strings.HasSuffix(*f.Link, "/"+f.Peer):
		return "link " + *f.Link + ", which was " + f.Peer
	case f.Link != nil:
		return "link " + *f.Link
	case f.Part != nil:
		return "part " + *f.Part
	}
	return ""
}

// Bite says what the fault touched.
func (f *Fault) Bite() string {
	if !f.Bit {
		return "never bit"
	}
	var met []string
	if f.Connections != nil {
		what := "connections"
		if f.Part != nil {
			what = "requests"
		}
		met = append(met, Count(*f.Connections)+" "+what)
	}
	if f.Bytes != nil {
		met = append(met, Bytes(*f.Bytes)+f.directions())
	}
	if len(met) == 0 {
		return "bit"
	}
	return "bit " + strings.Join(met, ", ")
}

// directions tells the bytes of each direction, where both were counted and neither is all.
func (f *Fault) directions() string {
	if f.ToTarget == nil || f.FromTarget == nil || f.ToTarget.Bytes+f.FromTarget.Bytes == 0 {
		return ""
	}
	switch {
	case f.FromTarget.Bytes == 0:
		return " to the target"
	case f.ToTarget.Bytes == 0:
		return " from the target"
	}
	return fmt.Sprintf(" (%s to the target, %s from it)", Bytes(f.ToTarget.Bytes), Bytes(f.FromTarget.Bytes))
}

// Healing says whether the fault was seen healed.
func (f *Fault) Healing() string {
	if f.Healed {
		return "healed"
	}
	return "not healed"
}

// Suffered lists the streams that had a bad second because of the fault, by name.
func (f *Fault) Suffered() []string {
	var names []string
	for name, r := range f.PerStream {
		if r.DetectionNS != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// badBefore lists the streams that were bad when the fault began, by name.
func (f *Fault) badBefore() []string {
	var names []string
	for name, r := range f.PerStream {
		if r.BadBefore {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Detection is the time from the fault's start to the first bad second, with the stream that showed it, and the others
// that suffered.
func (f *Fault) Detection() string {
	switch bad := f.badBefore(); {
	case f.DetectionNS == nil && len(bad) > 0:
		return with("not known: bad already", strings.Join(bad, ", "))
	case f.DetectionNS == nil && len(f.PerStream) > 0:
		return "no bad second"
	case f.DetectionNS == nil:
		return NotMeasured
	}
	who := f.DetectedBy
	others := slices.DeleteFunc(f.Suffered(), func(name string) bool { return name == who })
	if who != "" && len(others) > 0 {
		who += ", also " + strings.Join(others, ", ")
	}
	return with(Duration(float64(*f.DetectionNS)), who)
}

// Recovery is the time from the fault's end to the first of the good seconds, of the slowest stream.
func (f *Fault) Recovery() string {
	switch {
	case f.Recovered == nil:
		return NotMeasured
	case !*f.Recovered:
		return with("not recovered", strings.Join(f.Unrecovered, ", "))
	case f.RecoveryNS == nil:
		return "recovered"
	}
	return with(Duration(float64(*f.RecoveryNS)), f.SlowestBack)
}

// Stuck says whether the system stayed bad after the fault was gone.
func (f *Fault) Stuck() string {
	return Measured(f.Metastable, func(yes bool) string {
		if yes {
			return "yes"
		}
		return "no"
	})
}

func with(figure, who string) string {
	if who == "" {
		return figure
	}
	return figure + " (" + who + ")"
}

// Facts are the generator's figures.
func (v *Validity) Facts() []Fact {
	ns := func(n int64) string { return Duration(float64(n)) }
	facts := []Fact{
		{"schedule lag p50", Measured(v.LagP50NS, ns)},
		{"schedule lag p99", Measured(v.LagP99NS, ns)},
		{"schedule lag max", Measured(v.LagMaxNS, ns)},
		{"dropped arrivals", Count(v.Dropped)},
		{"CPU", Measured(v.CPU, func(cores float64) string { return significant(cores, usualDigits) + " cores" })},
		{"GC pause p99", Measured(v.GCPauseP99NS, ns)},
	}
	for _, link := range sortedKeys(v.LinkCostNS) {
		facts = append(facts, Fact{"cost of link " + link, ns(v.LinkCostNS[link])})
	}
	return facts
}

// Summary says in a line what the stream was: driver, model, plan, keys and where its effects were looked for.
func (s *Stream) Summary() string {
	if s.Consumes() {
		return strings.Join([]string{s.Driver, "sends nothing", "reads " + s.Effects, s.Plan}, " · ")
	}
	parts := []string{s.Driver, strings.TrimSpace(s.Model + " model, " + s.Plan)}
	if s.Keys > 0 {
		parts = append(parts, Count(int64(s.Keys))+" keys")
	}
	if s.Effects != "" {
		parts = append(parts, "observed in "+s.Effects)
	} else {
		parts = append(parts, "effects not observed")
	}
	return strings.Join(parts, " · ")
}

// Numbers says whether a violation of that kind is of an operation, which has a number; else it is of a record.
func (s *Stream) Numbers(kind string) bool {
	return !s.Consumes() || s.Of != "" && kind != "group_lost" && kind != "redelivered" && kind != "gap"
}

// PublishedNames lists the counts that reports show of what a stream that only consumes has read, in their order.
func PublishedNames() []string {
	return []string{"seen", "lost", "log_duplicates", "extra_copies", "order_violations", "gaps", "phantom", "unexpected", "foreign"}
}

// PublishedCount writes one of these counts. Copies are always looked for: where they are not told they are not known.
func PublishedCount(i *Integrity, name string) string {
	if i != nil && i.Count(name) == nil && (name == "log_duplicates" || name == "extra_copies") {
		return NotKnown
	}
	return IntegrityCount(i, name)
}

// Judged says in a line what of the records a stream that only consumes cannot tell; empty for any other stream.
func (s *Stream) Judged() string {
	switch {
	case !s.Consumes():
		return ""
	case s.Of == "":
		return "Judged by the records alone: copies and order, and gaps where they are numbered. A record that never came, and leaves no gap, shows nowhere."
	}
	return "Judged against the operations of " + s.Of + ", by the window in which each was due."
}

// ErrorShare is the share of offered operations that were not acked; nil when none was offered.
func (m *Measures) ErrorShare() *float64 {
	if m.Offered == 0 {
		return nil
	}
	share := float64(m.Rejected+m.Indeterminate+m.Dropped) / float64(m.Offered)
	return &share
}

// CodeCount is how many attempts failed with a code.
type CodeCount struct {
	Code string
	N    int64
}

// Codes lists the failed attempts by code, the most frequent first.
func (m *Measures) Codes() []CodeCount {
	var all []CodeCount
	for _, code := range sortedKeys(m.Errors) {
		all = append(all, CodeCount{code, m.Errors[code]})
	}
	slices.SortStableFunc(all, func(a, b CodeCount) int { return cmp.Compare(b.N, a.N) })
	return all
}

// FailureCodes tells the failed attempts by code in words, the most frequent first, and whether they failed fast or hung;
// empty when none failed.
func (m *Measures) FailureCodes() string {
	var all []string
	for _, c := range m.Codes() {
		all = append(all, c.Code+" "+Count(c.N))
	}
	words := strings.Join(all, ", ")
	if hung := m.Failures.words(); hung != "" {
		words += " (" + hung + ")"
	}
	return words
}

// words tells when attempts failed; empty when none did, or nobody looked.
func (f *Failures) words() string {
	if f == nil {
		return ""
	}
	var all []string
	for _, class := range []struct {
		n    int64
		when string
	}{{f.Fast, "fast"}, {f.AtDeadline, "at their deadline"}, {f.BeyondDeadline, "beyond their deadline"}} {
		if class.n > 0 {
			all = append(all, Count(class.n)+" "+class.when)
		}
	}
	return strings.Join(all, ", ")
}

// FirstDetails tells, by code and the most frequent first, what the first failed attempt said; at most so many as a
// reader takes in.
func (m *Measures) FirstDetails() []Fact {
	const most = 8
	var all []Fact
	for _, c := range m.Codes() {
		if d := m.Details[c.Code]; d != "" && len(all) < most {
			all = append(all, Fact{c.Code, d})
		}
	}
	return all
}

// StepHead names the cells of a row of the steps of a chain, behind the step's name.
var StepHead = []string{"attempts", "acked", "service p50", "service p99", "max"}

// Cells tells what was measured of a step, under StepHead.
func (m *StepMeasures) Cells() []string {
	l := m.Service
	if l == nil {
		l = &Latency{}
	}
	return []string{Count(m.Attempts), Count(m.Acked), Percentile(m.Service, l.P50), Percentile(m.Service, l.P99), Percentile(m.Service, l.Max)}
}

// FailureCodes tells a step's failures by code in words, the most frequent first; empty when there were none.
func (m *StepMeasures) FailureCodes() string {
	all := Measures{Errors: m.Errors}
	return all.FailureCodes()
}

// Anomaly is a count of what must not happen, above 0 in one window.
type Anomaly struct {
	Stream, Window string
	Count          string // its name: lost, effect_duplicates, ...
	N              int64
}

// Found lists the run's anomalies by stream and window. A record that kept no windows tells the totals, with an empty
// window.
func (r *Run) Found() []Anomaly {
	var all []Anomaly
	for _, name := range r.StreamNames() {
		s := r.Streams[name]
		before := len(all)
		for _, window := range r.WindowNames() {
			if m := s.Windows[window]; m != nil {
				all = appendAnomalies(all, name, window, m)
			}
		}
		if len(all) == before {
			all = appendAnomalies(all, name, "", &s.Total)
		}
	}
	return all
}

func appendAnomalies(all []Anomaly, stream, window string, m *Measures) []Anomaly {
	for _, count := range append(Anomalies(), ProbeAnomalies()...) {
		if n := m.Count(count); n != nil && *n > 0 {
			all = append(all, Anomaly{stream, window, count, *n})
		}
	}
	return all
}

// Unknowns says, a line each, what of the run's integrity was not measured or is not known.
func (r *Run) Unknowns() []string {
	var all []string
	for _, name := range r.StreamNames() {
		i := r.Streams[name].Total.Integrity
		if i == nil {
			all = append(all, fmt.Sprintf("%s: integrity %s", name, NotMeasured))
			continue
		}
		if r.Streams[name].Consumes() {
			all = append(all, r.Streams[name].unknowns(name)...)
			continue
		}
		if i.Lost == nil && i.Unseen != nil {
			all = append(all, fmt.Sprintf("%s: lost %s (%s acked operations unseen when observation ended)", name, NotKnown, Count(*i.Unseen)))
		}
		if i.OrderViolations == nil {
			all = append(all, fmt.Sprintf("%s: order %s", name, NotMeasured))
		}
	}
	return all
}

// unknowns tells what of a stream that only consumes was not measured or is not known.
func (s *Stream) unknowns(name string) []string {
	var all []string
	i := s.Total.Integrity
	if s.Of == "" {
		all = append(all, name+": lost "+NotMeasured+" (nothing tells what should be there)")
	} else if i.Lost == nil {
		all = append(all, name+": lost "+NotKnown)
	}
	if i.LogDuplicates == nil {
		all = append(all, name+": log_duplicates "+NotKnown)
	}
	if i.OrderViolations == nil {
		all = append(all, name+": order "+NotMeasured)
	}
	return all
}
