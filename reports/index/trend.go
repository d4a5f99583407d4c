package index

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"wringer/reports"
)

// gate is one gate over the runs of a scenario, whatever its limit was.
type gate struct {
	Name, Latest, Limit string
	Tone                reports.Verdict // in the newest run that has it
	Counts              string
	Trend               *trend
}

// point is the gate in one run.
type point struct {
	run             int // its place among the runs of the scenario, from 0
	observed, limit *float64
	beyond          bool // no answer, not recovered: beyond every measured value
	gate            *reports.Gate
}

// newGates follows the gates of a scenario, in the order of the newest run. Gates that only older runs have come last.
func newGates(entries []Entry) []gate {
	points := make(map[string][]point)
	var names []string
	for i := range slices.Backward(entries) {
		for n := range entries[i].Run.Gates {
			g := &entries[i].Run.Gates[n]
			name := nameOf(g)
			if points[name] == nil {
				names = append(names, name)
			}
			points[name] = append(points[name], point{run: i, observed: g.Observed, limit: g.Limit, gate: g,
				beyond: g.Observed == nil && g.Verdict == reports.Fail})
		}
	}
	var all []gate
	for _, name := range names {
		of := points[name]
		slices.SortStableFunc(of, func(a, b point) int { return cmp.Compare(a.run, b.run) })
		all = append(all, newGate(name, of, len(entries)))
	}
	return all
}

// nameOf is a gate without its limit: the text before the comparison, and the scope.
func nameOf(g *reports.Gate) string {
	name := g.Expr
	depth := 0
	for i, c := range g.Expr {
		if c == '(' {
			depth++
		} else if c == ')' {
			depth--
		} else if depth <= 0 && strings.ContainsRune("<>=!", c) {
			if i > 0 {
				name = strings.TrimSpace(g.Expr[:i])
			}
			break
		}
	}
	if g.Window != nil {
		name += " during " + *g.Window
	}
	if strings.HasSuffix(strings.TrimSpace(g.Expr), "in every second") || strings.Contains(g.Expr, " in every second ") {
		name += " in every second"
	}
	return strings.Replace(name, " during after ", " after ", 1)
}

func newGate(name string, points []point, runs int) gate {
	newest := points[len(points)-1].gate
	observed, limit := reports.GateValues(newest)
	g := gate{Name: clean(name), Latest: observed, Limit: limit, Tone: tone(newest.Verdict), Trend: newTrend(points, runs)}
	counts := make(map[reports.Verdict]int)
	for _, p := range points {
		counts[tone(p.gate.Verdict)]++
	}
	g.Counts = fmt.Sprintf("%d of %d held", counts[reports.Pass], len(points))
	return g
}

// trend is a drawing: the value of a gate in each run, the oldest at the left, with its limit.
type trend struct {
	Line, Limit string // paths
	Marks       []mark // runs in which the gate did not hold
	Text        string
}

type mark struct {
	X, Y  float64
	Tone  reports.Verdict
	Title string
}

// The measures of the drawing, in its own units.
const (
	wide, high = 320.0, 48.0
	edge       = 5.0
)

// mostMarks bounds the marks of a drawing: of very many failures the newest are marked.
const mostMarks = 200

// newTrend draws the points; nil: no run has a value.
func newTrend(points []point, runs int) *trend {
	low, top := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		for _, v := range []*float64{p.observed, p.limit} {
			if v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) {
				low, top = min(low, *v), max(top, *v)
			}
		}
	}
	if low > top {
		return nil
	}
	low = min(low, 0) // a value of half the height is half the value
	x := func(run int) float64 { return round(edge + float64(run)/float64(max(runs-1, 1))*(wide-2*edge)) }
	y := func(v float64) float64 {
		if top == low {
			return high / 2
		}
		return round(high - edge - (v-low)/(top-low)*(high-2*edge))
	}
	t := &trend{Text: fmt.Sprintf("%d runs, from %s to %s", len(points), reports.Value(low, points[0].gate.Unit), reports.Value(top, points[0].gate.Unit))}
	t.Line = path(points, x, y, func(p point) *float64 { return p.observed })
	t.Limit = path(points, x, y, func(p point) *float64 { return p.limit })
	for _, p := range slices.Backward(points) {
		if p.gate.Verdict == reports.Pass || len(t.Marks) == mostMarks {
			continue
		}
		m := mark{X: x(p.run), Y: edge / 2, Tone: tone(p.gate.Verdict)}
		if p.observed != nil {
			m.Y = y(*p.observed)
		} else if !p.beyond {
			m.Y = high - edge/2
		}
		observed, limit := reports.GateValues(p.gate)
		m.Title = clean(fmt.Sprintf("run %d: %s, limit %s: %s", p.run+1, observed, limit, p.gate.Why))
		t.Marks = append(t.Marks, m)
	}
	return t
}

// path joins the values of neighbouring runs. A value without a neighbour is a short stroke.
func path(points []point, x func(int) float64, y func(float64) float64, of func(point) *float64) string {
	var b strings.Builder
	before := -2
	for _, p := range points {
		v := of(p)
		if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
			continue
		}
		if p.run == before+1 {
			fmt.Fprintf(&b, "L%g %g", x(p.run), y(*v))
		} else {
			fmt.Fprintf(&b, "M%g %gh1", x(p.run), y(*v))
		}
		before = p.run
	}
	return b.String()
}

func round(v float64) float64 { return math.Round(v*10) / 10 }
