package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// A busy second is one in which the machine was the limit, and neither the run nor its target, or one beside it: work that
// waited in one is done in the next. What is violated by such seconds alone is not decided. They never make a pass: a gate that
// is held only with them is not decided either.

// A bunched second is one in which the load generator sent operations late. They arrive together, and a target may refuse a part of
// them, or answer too late. What is violated by these seconds alone is not decided either.

// ViolatedApart begins the reason of a gate that is violated only by busy seconds, or by bunched ones.
const ViolatedApart = "violated only by seconds in which "

// excuse takes the verdict from a gate that such seconds alone decide.
func (f *Facts) excuse(g *scenarios.Gate, run *reports.Run, gate reports.Gate) reports.Gate {
	if !excusable(g.Metric) {
		return gate
	}
	held := f.heldIn(g, run)
	if held == "" {
		return gate
	}
	switch gate.Verdict {
	case reports.Fail:
		again, decided := f.without(g, run, reports.Fail)
		switch {
		case !decided:
			gate.Verdict, gate.Why = reports.Inconclusive, ViolatedApart+held
		case g.Scope.EverySecond: // the second that it names is not a busy one
			return again
		}
	case reports.Pass:
		if !wantsWorse(g) {
			return gate
		}
		if _, decided := f.without(g, run, reports.Pass); !decided {
			gate.Verdict, gate.Why = reports.Inconclusive, "held only by seconds in which "+held
		}
	case reports.Inconclusive:
		if g.Metric.Class == metric.Recovery {
			gate.Why += "; " + held
		}
	}
	return gate
}

// excusable says whether want of CPU can change a metric. Counted wrong answers, anomalies that a driver counts, and integrity stand by their own evidence.
func excusable(m *metric.Metric) bool {
	return m.Class != metric.Integrity && !(m.Anomaly && (m.Class == metric.Outcome || m.Class == metric.Gauge))
}

// wantsWorse says whether a slower target meets a gate more easily. A fault is detected by what gets worse.
func wantsWorse(g *scenarios.Gate) bool {
	if g.Metric.At == metric.DuringFault {
		return true
	}
	switch g.Comparison {
	case "<", "<=":
		return g.Metric.Better == metric.Higher
	case ">", ">=":
		return g.Metric.Better == metric.Lower
	case "!=":
		return g.Metric.Better != metric.Neither
	}
	return g.Metric.Better == metric.Lower && g.Limit != 0
}

// heldIn puts in words what held the machine in the busy seconds of a gate's scope, and how many operations were late in its bunched
// ones; empty: it has none.
func (f *Facts) heldIn(g *scenarios.Gate, run *reports.Run) string {
	var parts []string
	if seconds := f.busyIn(g, run); len(seconds) > 0 {
		parts = append(parts, f.held(seconds))
	}
	if late := f.lateIn(g, run); late > 0 {
		parts = append(parts, fmt.Sprintf("the load generator was late with %s, which came in a bunch", reports.Counted(late, "operation")))
	}
	return strings.Join(parts, ", and ")
}

// lateIn counts the late operations in the bunched seconds that a gate's scope touches, and in those beside it.
func (f *Facts) lateIn(g *scenarios.Gate, run *reports.Run) (late int64) {
	if !g.Metric.BySecond {
		return 0
	}
	t := f.stream(g.Stream).Tally
	windows := run.WindowsOf(g.Stream)
	counted := make(map[int]bool)
	for _, s := range run.Streams[g.Stream].Seconds {
		if g.Scope.Window != "" && !touches(windows, g.Scope.Window, s.StartNS) {
			continue
		}
		second := int(s.StartNS / int64(time.Second))
		for at := second - 1; at <= second+1; at++ {
			if !counted[at] {
				counted[at], late = true, late+t.lateIn(at)
			}
		}
	}
	return late
}

// without judges a gate once more without busy and bunched seconds, and says whether it comes to the verdict want there. A violation is
// decided by the other seconds, or by what stands in the busy ones. A gate that holds must hold in both ways.
func (f *Facts) without(g *scenarios.Gate, run *reports.Run, want reports.Verdict) (reports.Gate, bool) {
	s := f.stream(g.Stream)
	switch {
	case g.Scope.EverySecond:
		w := s.Tally.worstOf(g)
		if w == nil || w.calm == nil {
			return reports.Gate{}, false
		}
		over := s.over(run, g.Scope.Window)
		found := f.overtakings().overtaken(over.cell)
		again, _ := w.calm.decideWithout(&found)
		return again, again.Verdict == want
	case g.Metric.Class == metric.Gauge:
		again := decide(g, reading{Reading: s.Tally.gauge(g, f.stained(g, s.Tally.Gauges[g.Metric.Name]))})
		return again, again.Verdict == want
	case g.Metric.Class == metric.Recovery:
		// Its busy seconds count as undecided already, but for the detection.
		return reports.Gate{}, want == reports.Fail
	case !g.Metric.BySecond:
		r := f.read(g, run)
		return reports.Gate{}, want == reports.Fail && standsByItself(g, reading{Reading: r.Reading, limited: true})
	}
	return f.withoutCells(g, run, want)
}

// withoutCells judges a gate over windows without busy and bunched seconds.
func (f *Facts) withoutCells(g *scenarios.Gate, run *reports.Run, want reports.Verdict) (reports.Gate, bool) {
	s := f.stream(g.Stream)
	calm := s.over(run, g.Scope.Window)
	if calm.cell == nil {
		return reports.Gate{}, false
	}
	apart, atBest := s.Tally.apart(calm.windows)
	calm.cell = calm.cell.Less(apart)
	found := f.overtakings().overtaken(calm.cell)
	calm.cell = calm.cell.Without(found.spared())

	best := calm
	best.cell = calm.cell.Without(nil)
	best.cell.Merge(atBest)
	ofBest := decide(g, f.readOver(g, run, best))

	calm.length -= s.Tally.apartLength(calm.windows, time.Duration(run.DurationNS))
	ofCalm := decide(g, f.readOver(g, run, calm))
	switch {
	case g.Metric.Needs.Sending != metric.Nothing: // messages: the best case knows none
		return ofCalm, want == reports.Fail && g.Metric.Unit != metric.Count && ofCalm.Verdict == want
	case g.Metric.Unit == metric.Count: // the other seconds alone count less
		return ofBest, ofBest.Verdict == want
	case want == reports.Fail:
		return ofBest, ofBest.Verdict == want || ofCalm.Verdict == want
	}
	return ofBest, ofBest.Verdict == want && ofCalm.Verdict == want
}

// busyIn lists the busy seconds that a gate's scope touches, and those later ones in which its effects were still awaited.
func (f *Facts) busyIn(g *scenarios.Gate, run *reports.Run) (seconds []int) {
	if f.Machine == nil {
		return nil
	}
	if g.Metric.Class == metric.Gauge {
		return f.sampledIn(g, f.stream(g.Stream))
	}
	windows := run.WindowsOf(g.Stream)
	for _, s := range run.Streams[g.Stream].Seconds {
		if s.Busy && (g.Scope.Window == "" || touches(windows, g.Scope.Window, s.StartNS)) {
			seconds = append(seconds, int(s.StartNS/int64(time.Second)))
		}
	}
	if g.Metric.Class != metric.TimeOrRate || g.Metric.BySecond {
		return seconds
	}
	awaited := int(f.read(g, run).Awaited / time.Second)
	for at := int(endOf(windows, g.Scope.Window, run) / int64(time.Second)); at <= awaited; at++ {
		if f.Machine(at).busy() && !slices.Contains(seconds, at) {
			seconds = append(seconds, at)
		}
	}
	return seconds
}

// endOf is the end of a window, or of the run.
func endOf(windows []reports.Window, window string, run *reports.Run) (end int64) {
	for _, w := range windows {
		if w.Covers(window) {
			end = max(end, w.EndNS)
		}
	}
	if window == "" {
		return run.DurationNS
	}
	return end
}

// touches says whether the second from start lies in a window, in part at least.
func touches(windows []reports.Window, window string, start int64) bool {
	for _, w := range windows {
		if w.Covers(window) && w.StartNS < start+int64(time.Second) && w.EndNS > start {
			return true
		}
	}
	return false
}

// busy says whether the machine was the limit in a second or in one beside it.
func (f *Facts) busy(second int) bool {
	for at := second - 1; at <= second+1; at++ {
		if f.Machine(at).busy() {
			return true
		}
	}
	return false
}

// stained says which samples of a gauge busy seconds may have caused: those in them, and those after them that are on the wrong
// side of the limit, until one was on the right side again. What piled up is worked off later.
func (f *Facts) stained(g *scenarios.Gate, samples []reports.Sample) func(at time.Duration) bool {
	skip, stain := make(map[int64]bool), false
	for _, s := range samples {
		switch {
		case f.busy(int(s.AtNS / int64(time.Second))):
			stain = true
		case holds(g.Comparison, s.Value, g.Limit):
			stain = false
		}
		skip[s.AtNS] = stain
	}
	return func(at time.Duration) bool { return skip[int64(at)] }
}

// sampledIn lists the busy seconds in which a gauge was read, the drain included.
func (f *Facts) sampledIn(g *scenarios.Gate, s *Stream) (seconds []int) {
	over := s.Tally.plan.Over(g.Scope.Window)
	for _, sample := range s.Tally.Gauges[g.Metric.Name] {
		second := int(sample.AtNS / int64(time.Second))
		inScope := g.Scope.Window == "" || slices.Contains(over, s.Tally.plan.WindowAt(time.Duration(sample.AtNS)))
		if inScope && f.busy(second) && !slices.Contains(seconds, second) {
			seconds = append(seconds, second)
		}
	}
	return seconds
}

// held puts in words what held the machine in busy seconds: "other programs took 1.4 of 2 cores".
func (f *Facts) held(seconds []int) string {
	var others, steal, throttled mean
	cores := 0
	seen := make(map[int]bool)
	for _, second := range seconds {
		for at := second - 1; at <= second+1; at++ {
			load := f.Machine(at)
			if seen[at] {
				continue
			}
			seen[at] = true
			cores = max(cores, load.Cores)
			others.add(load.OthersCores, load.Others)
			steal.add(load.StealCores, load.Steal)
			throttled.add(load.Quota, load.Throttled)
		}
	}
	var parts []string
	if others.n > 0 {
		parts = append(parts, fmt.Sprintf("other programs took %.1f of %d cores", others.of(), cores)+f.unowned())
	}
	if steal.n > 0 {
		parts = append(parts, fmt.Sprintf("the hypervisor took %.1f of %d cores", steal.of(), cores))
	}
	if throttled.n > 0 {
		quota := ""
		if q := throttled.of(); q > 0 {
			quota = fmt.Sprintf(" of %.3g cores", q)
		}
		parts = append(parts, "the control group of the load generator was held back by its CPU quota"+quota)
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, ", and "), secondsOf(len(seconds)))
}

// unowned names addresses whose program was not found: it may be the target itself.
func (f *Facts) unowned() string {
	if len(f.Unowned) == 0 {
		return ""
	}
	return fmt.Sprintf(", among them what listens on %s: its process was not found, run as its user or as root", strings.Join(f.Unowned, ", "))
}

func secondsOf(n int) string {
	if n == 1 {
		return "1 busy second"
	}
	return fmt.Sprintf("%d busy seconds", n)
}

// mean is the mean of what counts.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(value float64, counts bool) {
	if counts {
		m.sum += value
		m.n++
	}
}

func (m *mean) of() float64 { return m.sum / float64(m.n) }
