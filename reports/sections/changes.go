package sections

import (
	"slices"
	"strings"

	"wringer/reports"
)

// baselineWindow is the window before the first fault.
const baselineWindow = "baseline"

// Changes compares each stream in each window with its baseline, in words. It is empty when nothing was sent beside a baseline.
// One run has one baseline: what is less than a fifth away from it is "as in the baseline".
func Changes(run *reports.Run) Section {
	s := Section{Name: NameChanges, Title: "Window by window", Aside: "against the baseline", Rank: Vital, Head: []Column{
		{Name: columnOfWindows}, {Name: "stream", Kind: Code}, {Name: "change", Plain: true}, {Name: "integrity", Plain: true}, {Name: "recovery", Plain: true},
	}}
	for _, window := range run.WindowNames() {
		if window == baselineWindow {
			continue
		}
		s.Rows = append(s.Rows, changesIn(run, window)...)
	}
	if len(s.Rows) > 0 {
		s.Notes = []string{"A baseline is one measurement: what is less than a fifth away from it counts as the same"}
	}
	return s
}

// changesIn compares the streams in one window. Those that did not change share a row.
func changesIn(run *reports.Run, window string) []Row {
	var rows []Row
	calm := make(map[string]int) // the row of those that did not change, by the times of their window
	for _, name := range run.StreamNames() {
		stream := run.Streams[name]
		m, base := stream.Windows[window], stream.Windows[baselineWindow]
		if m == nil || m.Offered == 0 || base == nil || base.Offered == 0 {
			continue
		}
		when, fault := spans(run.WindowsOf(name), window)
		cells := []Cell{{Text: name, Kind: Code}, change(m, base), kept(run, stream, m), back(run, name, window)}
		quiet := cells[1].Text == unchanged && cells[2].State != Bad && cells[3].Text == ""
		if at, known := calm[when]; quiet && known {
			join(rows[at].Cells, cells)
			continue
		}
		if quiet {
			calm[when] = len(rows)
		}
		rows = append(rows, Row{Label: window, Note: when, Fault: fault, Cells: cells})
	}
	return rows
}

// join adds a stream that did not change to the row of others that did not. Where their integrity differs, each is named.
func join(row, cells []Cell) {
	names, integrity := row[0].Text, row[2].Text
	row[0].Text += ", " + cells[0].Text
	if strings.Contains(integrity, "; ") {
		row[2].Text += "; " + cells[0].Text + ": " + cells[2].Text
	} else if integrity != cells[2].Text {
		row[2] = Cell{Text: names + ": " + integrity + "; " + cells[0].Text + ": " + cells[2].Text}
	}
}

// unchanged is said of a window that is like the baseline.
const unchanged = "as in the " + baselineWindow + ", no errors"

// notable is the factor from which a change is told.
const notable = 1.2

// change is how a window differs from the baseline: its 99th percentile, its errors, its rate and its attempts.
func change(m, base *reports.Measures) Cell {
	c := slower(m, base)
	parts := []string{c.Text}
	share, usual := m.ErrorShare(), base.ErrorShare()
	switch {
	case *share == *usual && *share == 0:
		parts = append(parts, "no errors")
	default:
		parts = append(parts, reports.Share(*share)+" errors ("+baselineWindow+" "+reports.Share(*usual)+")")
		if *share > *usual+0.01 {
			c.State = Bad
		}
	}
	if m.Rate != nil && base.Rate != nil && *base.Rate > 0 && (*m.Rate > notable**base.Rate || *m.Rate < *base.Rate/notable) {
		parts = append(parts, reports.Rate(*m.Rate)+" acked ("+baselineWindow+" "+reports.Rate(*base.Rate)+")")
	}
	if m.Amplification != nil && base.Amplification != nil && *m.Amplification > notable**base.Amplification {
		parts = append(parts, reports.Factor(*m.Amplification)+" attempts for each operation")
	}
	if c.Text == likeBaseline && len(parts) == 2 && *share == 0 && *usual == 0 {
		c.Text = unchanged
		return c
	}
	c.Text = strings.Join(parts, "; ")
	return c
}

// likeBaseline is said of a percentile that did not change.
const likeBaseline = "p99 as in the " + baselineWindow

// slower compares the 99th percentiles.
func slower(m, base *reports.Measures) Cell {
	if m.Response == nil || base.Response == nil {
		return Cell{Text: "p99 " + reports.NotMeasured}
	}
	now, usual := m.Response.P99, base.Response.P99
	text := "p99 " + reports.Percentile(m.Response, now)
	was := " (" + baselineWindow + " " + reports.Percentile(base.Response, usual) + ")"
	switch {
	case now == nil && usual == nil:
		return Cell{Text: text + ", as in the " + baselineWindow}
	case now == nil:
		return Cell{Text: text + was, State: Bad}
	case usual == nil || *usual == 0:
		return Cell{Text: text + was}
	}
	c := figure(Text, "", new(*now / *usual), "")
	switch factor := *now / *usual; {
	case factor >= notable:
		c.Text = "p99 " + reports.Factor(factor) + " times the " + baselineWindow + ": " + reports.Duration(*now) + " in place of " + reports.Duration(*usual)
	case factor <= 1/notable:
		c.Text = text + was
	default:
		c.Text = likeBaseline
	}
	return c
}

// kept tells which operations of a window were lost or repeated. What was not measured is not called 0.
func kept(run *reports.Run, s *reports.Stream, m *reports.Measures) Cell {
	if m.Integrity == nil && s.Total.Integrity == nil {
		return words(reports.NotMeasured)
	}
	c := Cell{}
	var parts []string
	switch lost := m.Count("lost"); {
	case lost == nil:
		parts = append(parts, "lost "+reports.IntegrityCount(m.Integrity, "lost"))
	case *lost == 0:
		parts = append(parts, "0 lost")
	}
	for _, name := range defects(run) {
		if n := m.Count(name); n != nil && *n > 0 {
			parts = append(parts, reports.Count(*n)+" "+column(name).Name)
			c.State = Bad
		}
	}
	c.Text = strings.Join(parts, ", ")
	return c
}

// back tells how a stream came back after the fault that a window follows, or how soon it noticed the fault of the window.
func back(run *reports.Run, stream, window string) Cell {
	fault, after := strings.CutPrefix(window, "after ")
	var parts []string
	c := Cell{}
	for i := range run.Faults {
		f := &run.Faults[i]
		r, known := f.PerStream[stream]
		if f.Name != fault || !known || f.NotInjected || slices.Contains(f.Untouched, stream) {
			continue
		}
		text := ""
		switch {
		case !after && r.DetectionNS != nil:
			text = "first bad second after " + nanoseconds(*r.DetectionNS)
			if *r.DetectionNS == 0 {
				text = "bad from the first second on"
			}
		case !after || r.Recovered == nil:
			continue
		case !*r.Recovered:
			text, c.State = "did not recover", Bad
		case r.RecoveryNS == nil:
			text = "recovered"
		case *r.RecoveryNS == 0:
			text = "good from the first second on"
		default:
			text = "recovered after " + nanoseconds(*r.RecoveryNS)
		}
		if r.Metastable != nil && *r.Metastable && after {
			text += ", bad after the fault was gone"
		}
		if f.Round > 0 {
			text = f.Title() + ": " + text
		}
		parts = append(parts, text)
	}
	c.Text = strings.Join(parts, ", ")
	return c
}
