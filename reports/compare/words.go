package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// Title is the answer in two words, for the head of a report.
func (a *Answer) Title() string {
	switch {
	case !a.Comparable:
		return "not comparable"
	case a.Exit == ExitWorse:
		return Worse
	case a.Exit == ExitUntold:
		return CannotTell
	}
	if strings.HasPrefix(a.Why, NothingTold) {
		return NothingTold
	}
	return NothingWorse
}

// Verdict is the answer as the reports mark it.
func (a *Answer) Verdict() reports.Verdict {
	switch a.Exit {
	case ExitFine:
		return reports.Pass
	case ExitWorse:
		return reports.Fail
	}
	return reports.Inconclusive
}

// Sections are the answer in tables. most bounds the values without a verdict that are shown: those that changed come first; negative: no
// bound.
func (a *Answer) Sections(most int) []sections.Section {
	return []sections.Section{a.differences(), a.changes(), a.shown(most), a.inputs(), a.notes()}
}

func (a *Answer) differences() sections.Section {
	s := sections.Section{Name: "differences", Title: "Differences"}
	for i, d := range a.Differences {
		if i >= a.Matters {
			d += " (no obstacle)"
		}
		s.Notes = append(s.Notes, d)
	}
	return s
}

func (a *Answer) changes() sections.Section {
	s := sections.Section{Name: "changes", Title: "Judged", Head: []sections.Column{
		{Name: "metric"}, {Name: "verdict", Plain: true}, {Name: "base"}, {Name: "new"},
		{Name: "interval", Rank: sections.Usual}, {Name: "adjusted p", Rank: sections.Usual}, {Name: "why", Plain: true, Rank: sections.Usual},
	}}
	for i := range a.Changes {
		c := &a.Changes[i]
		s.Rows = append(s.Rows, sections.Row{Label: c.Name() + " " + c.Scope(), Verdict: markOf(c.Verdict), Cells: []sections.Cell{
			{Text: joined(c.Verdict, c.change())}, {Text: side(c.Base, c.BaseBeyond, c.Unit)}, {Text: side(c.New, c.NewBeyond, c.Unit)},
			{Text: c.interval()}, {Text: c.chance()}, {Text: c.Why},
		}})
	}
	return s
}

func markOf(verdict string) reports.Verdict {
	switch verdict {
	case Worse:
		return reports.Fail
	case CannotTell:
		return reports.Inconclusive
	}
	return reports.Pass
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + " " + b
}

// side writes the median of a side.
func side(v *float64, beyond bool, unit string) string {
	switch {
	case beyond && unit == "ns":
		return reports.NoAnswer
	case v == nil:
		return reports.NotKnown
	}
	return reports.Value(*v, unit)
}

// change is the estimate of the change, with its sign; without one, the change of the medians.
func (c *Change) change() string {
	if c.Shift != nil {
		return signed(*c.Shift)
	}
	return c.Value.change()
}

func (v *Value) change() string {
	if v.Change == nil {
		return ""
	}
	return signed(*v.Change)
}

// signed writes a change: +15.2 %. A figure far beyond 100 % says no more than its size.
func signed(ratio float64) string {
	percent := ratio * 100
	switch {
	case percent == 0:
		return "±0 %"
	case math.Abs(percent) >= 1e6:
		return fmt.Sprintf("%+.1e %%", percent)
	case math.Abs(percent) < 0.05:
		return fmt.Sprintf("%+.2g %%", percent)
	}
	return fmt.Sprintf("%+.1f %%", percent)
}

func (c *Change) interval() string {
	if c.Low == nil || c.High == nil {
		return ""
	}
	return signed(*c.Low) + " to " + signed(*c.High)
}

// chance is the p that decides: the corrected one.
func (c *Change) chance() string {
	p := c.Adjusted
	if p == nil {
		return ""
	}
	if *p < 0.0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", *p)
}

func (a *Answer) shown(most int) sections.Section {
	s := sections.Section{Name: "shown", Title: "Shown without a verdict", Head: []sections.Column{{Name: "metric"}, {Name: "base", Kind: sections.Factor}, {Name: "new", Kind: sections.Factor}, {Name: "change", Kind: sections.Factor}}}
	rows := slices.Clone(a.Shown)
	if most >= 0 {
		slices.SortStableFunc(rows, func(x, y Value) int { return rank(&x, a.Effect) - rank(&y, a.Effect) })
		rows = rows[:min(len(rows), most)]
	}
	for i := range rows {
		v := &rows[i]
		s.Rows = append(s.Rows, sections.Row{Label: v.Name() + " " + v.Scope(), Cells: []sections.Cell{
			{Text: side(v.Base, v.BaseBeyond, v.Unit)}, {Text: side(v.New, v.NewBeyond, v.Unit)}, {Text: v.change()},
		}})
	}
	if left := len(a.Shown) - len(rows); left > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%s more are in the answer as JSON and as HTML", reports.Count(int64(left))))
	}
	return s
}

// rank puts values that changed first, and those of the whole run before those of windows.
func rank(v *Value, effect float64) int {
	r := 0
	if v.Change == nil || math.Abs(*v.Change) < effect {
		r = 2
	}
	if v.Window != nil {
		r++
	}
	return r
}

func (a *Answer) inputs() sections.Section {
	s := sections.Section{Name: "runs", Title: "Runs", Head: []sections.Column{{Name: "run"}, {Name: "side"}, {Name: "scenario"}, {Name: "version"}, {Name: "verdict"}, {Name: "left out", Rank: sections.Usual}}}
	for _, in := range a.Inputs {
		s.Rows = append(s.Rows, sections.Row{Label: in.Path, Code: true, Cells: []sections.Cell{
			{Text: in.Side}, {Text: in.Name}, {Text: in.Version}, {Text: string(in.Verdict)}, {Text: in.LeftOut},
		}})
	}
	return s
}

func (a *Answer) notes() sections.Section {
	return sections.Section{Name: "notes", Title: "Notes", Notes: append(slices.Clone(a.Notes), a.method())}
}

// method says how the verdicts came about.
func (a *Answer) method() string {
	return fmt.Sprintf("a metric is worse or better if it moved by at least %s and the rank test, corrected for all judged metrics, has p below %g; "+
		"it is the same if the %g %% interval of its change lies within that", reports.Share(a.Effect), a.Alpha, 100*a.Confidence)
}
