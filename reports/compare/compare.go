package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/metric"
)

// Options of a comparison.
type Options struct {
	// Catalogue tells units and directions.
	Catalogue *metric.Catalogue
	// Effect is the smallest change that counts, as a part of the base: 0.05.
	Effect float64
	// Anyway shows values of runs that are not comparable.
	Anyway bool
}

// comparison is one comparison under way.
type comparison struct {
	options    Options
	base, new  []*Run // that can be compared
	all        []*Run
	units      map[key]string
	directions map[key]metric.Direction
	anomalies  map[string]bool
	appeared   []string // defects that are new in some runs
	apartNames []string // metrics without a verdict that got worse in every new run
	answer     *Answer
}

// Compare compares the runs of two sides. Each side has at least one.
func Compare(base, fresh []*Run, options Options) *Answer {
	a := &Answer{Comparable: true, Effect: options.Effect, Alpha: alpha, Confidence: confidence}
	c := &comparison{options: options, answer: a, all: slices.Concat(base, fresh)}
	c.units, c.directions, c.anomalies = units(c.all), directions(c.all), anomalies(c.all)
	var inputs []Input
	c.base, a.Inputs = usable(base, BaseSide, make(map[identity]string))
	c.new, inputs = usable(fresh, NewSide, make(map[identity]string))
	a.Inputs = append(a.Inputs, inputs...)
	a.Runs = Counts{len(c.base), len(c.new)}
	d := differ(c.all)
	d.matter = append(bothSides(base, fresh), d.matter...)
	a.Differences, a.Matters, a.Notes = append(d.matter, d.other...), len(d.matter), append(d.notes, namesakes(c.all)...)
	switch {
	case len(d.matter) > 0:
		c.refuse()
	case len(c.base) == 0 || len(c.new) == 0:
		c.nothing()
	default:
		c.judge()
	}
	c.remarks()
	return a.filled()
}

// bothSides names the runs that stand on both sides: compared with itself a run never changed.
func bothSides(base, fresh []*Run) (same []string) {
	paths := make(map[identity]string)
	for _, b := range base {
		paths[identityOf(b.Record)] = b.Path
	}
	for _, n := range fresh {
		if path, is := paths[identityOf(n.Record)]; is {
			same = append(same, fmt.Sprintf("run %s stands on both sides: as %s and as %s", n.Record.ID, path, n.Path))
		}
	}
	return same
}

// refuse answers for runs that are not comparable.
func (c *comparison) refuse() {
	a := c.answer
	a.Comparable, a.Exit = false, ExitNotComparable
	a.Why = "not comparable: " + a.Differences[0]
	if a.Matters > 1 {
		a.Why += fmt.Sprintf(", and %d more", a.Matters-1)
	}
	if c.options.Anyway {
		c.show(nil)
	}
}

// nothing answers for a side without a run that can be compared.
func (c *comparison) nothing() {
	a := c.answer
	side := BaseSide
	if len(c.base) > 0 {
		side = NewSide
	}
	a.Exit = ExitUntold
	a.Why = "nothing can be told: no run of " + side + " can be compared"
	for _, in := range a.Inputs {
		if in.Side == side {
			a.Why += fmt.Sprintf("; %s: %s", in.Path, in.LeftOut)
			break
		}
	}
	if c.options.Anyway {
		c.base, c.new = c.sides()
		c.show(nil)
	}
}

// sides are all runs by their sides, whether they can be compared or not.
func (c *comparison) sides() (base, fresh []*Run) {
	for i, in := range c.answer.Inputs {
		if in.Side == BaseSide {
			base = append(base, c.all[i])
		} else {
			fresh = append(fresh, c.all[i])
		}
	}
	return base, fresh
}

// judge judges the family and shows the rest.
func (c *comparison) judge() {
	judged, beyond := family(slices.Concat(c.base, c.new))
	changes := make([]*judgement, len(judged))
	for i, k := range judged {
		changes[i] = c.measure(k).test()
	}
	tests := correct(changes)
	done := make(map[key]bool)
	for _, j := range changes {
		done[j.key] = true
		c.answer.Changes = append(c.answer.Changes, c.decide(j, tests))
	}
	for _, k := range everything(c.all, c.options.Catalogue) { // a defect that was not there before needs no gate
		if k.window == "" && !done[k] && c.defect(k) {
			if j := c.measure(k); j.appeared() {
				done[k] = true
				c.answer.Changes = append(c.answer.Changes, c.decide(j.test(), 0))
			}
		}
	}
	if len(beyond) > 0 {
		c.answer.Notes = append(c.answer.Notes, fmt.Sprintf("%d of %d metrics of the gates are judged, and the others are shown: more could not become significant", mostJudged, mostJudged+len(beyond)))
	}
	c.show(done, beyond...)
	c.conclude()
}

// correct applies Holm's correction, and returns the number of tests that it is for: of metrics that put all runs into one order, such as
// errors and rate at a constant load, there is one.
func correct(all []*judgement) (tests int) {
	var ps []float64
	place := make(map[string]int)
	for _, j := range all {
		if _, known := place[j.ranking]; j.tested() && !known {
			place[j.ranking] = len(ps)
			ps = append(ps, j.p)
		}
	}
	adjusted := holm(ps)
	for _, j := range all {
		if j.tested() {
			j.adjusted = adjusted[place[j.ranking]]
		}
	}
	return len(ps)
}

// conclude sums the verdicts up.
func (c *comparison) conclude() {
	a := c.answer
	by := make(map[string][]string)
	for i := range a.Changes {
		v := &a.Changes[i]
		by[v.Verdict] = append(by[v.Verdict], v.Name()+" "+v.Scope())
	}
	var parts []string
	for _, verdict := range []string{Worse, Better, Same, CannotTell} {
		if n := len(by[verdict]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case len(by[Worse]) > 0:
		a.Exit, a.Why = ExitWorse, "worse: "+strings.Join(by[Worse], ", ")
	case len(c.appeared) > 0:
		a.Exit, a.Why = ExitUntold, "a defect that was not there before is in some of the new runs: "+strings.Join(c.appeared, ", ")
	case len(a.Changes) == 0:
		a.Exit, a.Why = ExitUntold, "nothing can be told: the runs have no metric in common"
	case len(by[CannotTell]) == len(a.Changes):
		a.Exit, a.Why = ExitUntold, "nothing can be told: "+a.Changes[0].Name()+": "+a.Changes[0].Why
	default:
		a.Exit, a.Why = ExitFine, NothingWorse
		if len(by[CannotTell]) > 0 || len(c.apartNames) > 0 {
			a.Why = NothingTold
		}
	}
	if text != "" {
		a.Why += " (" + text + ")"
	}
	if more := c.unjudged(); more != "" {
		a.Why += "; " + more
	}
}

// remarks says how to read the answer.
func (c *comparison) remarks() {
	a := c.answer
	if n := a.Runs; a.Comparable && (n.Base == 1 || n.New == 1) {
		a.Notes = append(a.Notes, "a run is one sample: its seconds depend on each other and count for nothing more; make at least 6 runs a side, and let the sides take turns")
	}
	for _, in := range a.Inputs {
		if in.LeftOut != "" && a.Comparable {
			a.Notes = append(a.Notes, fmt.Sprintf("%s is left out: %s", in.Path, in.LeftOut))
		}
	}
	var busy, runs int64
	for _, r := range c.all {
		if m := r.Record.Validity.Machine; m != nil && m.BusySeconds > 0 {
			busy, runs = busy+m.BusySeconds, runs+1
		}
	}
	if runs > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("other programs held the machine in %s seconds of %d runs: their times may be longer for it", reports.Count(busy), runs))
	}
}

// show adds the values outside the judged family. What is 0 or absent on both sides is left out.
func (c *comparison) show(done map[key]bool, beyond ...key) {
	if !c.answer.Comparable {
		c.base, c.new = c.sides()
		judged, more := family(c.all)
		beyond = append(judged, more...)
	}
	for _, k := range append(beyond, everything(c.all, c.options.Catalogue)...) {
		if done[k] {
			continue
		}
		if done == nil {
			done = make(map[key]bool)
		}
		done[k] = true
		j := c.measure(k)
		v := j.value(c)
		empty := v.Base == nil && v.New == nil && !v.BaseBeyond && !v.NewBeyond
		zero := v.Base != nil && v.New != nil && *v.Base == 0 && *v.New == 0 && !j.any()
		if !empty && !zero {
			c.answer.Shown = append(c.answer.Shown, v)
			if c.apart(j, &v) {
				c.apartNames = append(c.apartNames, v.Name()+" ("+v.change()+")")
			}
		}
	}
}

// judgement is one metric with the values of its runs.
type judgement struct {
	key
	base, new   []float64 // ascending, +Inf: beyond every measured value
	missing     string    // why a run has no value; empty: all have one
	absent      int
	p, adjusted float64
	enough      bool // runs for the rank test
	ranking     string
	estimate    float64
	low, high   float64
	defect      bool
}

// measure reads a metric from all runs that can be compared.
func (c *comparison) measure(k key) *judgement {
	nothing := math.NaN()
	j := &judgement{key: k, defect: c.defect(k), estimate: nothing, low: nothing, high: nothing}
	j.ranking = fmt.Sprintf("%+v", k) // its own, where some run has no value
	var inOrder []float64
	read := func(runs []*Run) (values []float64) {
		for _, r := range runs {
			v := k.read(r.Record, c.options.Catalogue)
			if v.missing != "" {
				j.absent++
				if j.missing == "" {
					j.missing = fmt.Sprintf("not known of %s: %s", r.Path, v.missing)
				}
				continue
			}
			values, inOrder = append(values, v.value), append(inOrder, v.value)
		}
		slices.Sort(values)
		return values
	}
	j.base, j.new = read(c.base), read(c.new)
	if j.absent == 0 {
		j.ranking = ranking(inOrder)
	}
	return j
}

// test makes the rank test and the estimate, which only judged metrics need.
func (j *judgement) test() *judgement {
	if len(j.base) > 0 && len(j.new) > 0 {
		j.p, j.enough = rankTest(j.base, j.new)
		j.estimate, j.low, j.high = shift(j.base, j.new)
	}
	return j
}

// tested says whether the metric has a test that could tell something. One whose values are all the same has none, and takes no part of
// the correction.
func (j *judgement) tested() bool { return j.enough && !constant(j.base, j.new) }

// any says whether some run has a value other than 0.
func (j *judgement) any() bool {
	other := func(v float64) bool { return v != 0 }
	return slices.ContainsFunc(j.base, other) || slices.ContainsFunc(j.new, other)
}

// rose says that a count of a defect was 0 in every run of base, and is above 0 in every run of new. That needs no test.
func (j *judgement) rose() bool {
	return j.defect && len(j.base) > 0 && len(j.new) > 0 && j.base[0] == 0 && j.base[len(j.base)-1] == 0 && j.new[0] > 0
}

// appeared says that a count of a defect was 0 in every run of base, and is above 0 in some run of new. Most runs without the defect do
// not make both sides the same.
func (j *judgement) appeared() bool {
	return j.defect && len(j.base) > 0 && len(j.new) > 0 && j.base[0] == 0 && j.base[len(j.base)-1] == 0 && j.new[len(j.new)-1] > 0
}

// value is the metric with the medians of both sides.
func (j *judgement) value(c *comparison) Value {
	v := Value{Stream: j.stream, Metric: j.metric, Second: j.second}
	v.Unit, _ = c.describe(j.key)
	if j.window != "" {
		v.Window = &j.window
	}
	base, fresh := median(j.base), median(j.new)
	v.Base, v.New = finite(base), finite(fresh)
	v.BaseBeyond, v.NewBeyond = math.IsInf(base, 1), math.IsInf(fresh, 1)
	if v.Base != nil && v.New != nil && *v.Base != 0 {
		v.Change = finite((fresh - base) / base)
	}
	return v
}
