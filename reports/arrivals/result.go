package arrivals

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/pages"
)

// Result is the account of a stream.
type Result struct {
	// Total is the sum of Windows (max_arrivals: the maximum), which holds every window of the Config. Where the witness was
	// blind, counts above 0 mean "at least". Counts that would be 0, or may be too high, are null.
	Total   *reports.Witness
	Windows map[string]*reports.Witness // by name
	over    func(windows []int) *reports.Witness
	// Violations is the evidence of operations that arrived more than once, sorted by window and operation.
	Violations []reports.Violation
	// Unknown holds the reason for each count that is not fully known, by the count's name in run.json.
	Unknown map[string]string
	// Why is the reason, in words, why some counts are not known; empty when all are.
	Why string
	// Replays are the arrivals of replays, which no count includes.
	Replays int64
}

// cell counts the operations of one window by what happened to them.
type cell struct {
	counts                             [kinds]int64
	operations, twice, missing, hidden int64
	most                               int64
}

func (c *cell) add(o *cell) {
	for k := range c.counts {
		c.counts[k] += o.counts[k]
	}
	c.operations += o.operations
	c.twice += o.twice
	c.missing += o.missing
	c.hidden += o.hidden
	c.most = max(c.most, o.most)
}

// take adds one operation.
func (c *cell) take(n *[kinds]int64) {
	for k := range n {
		c.counts[k] += n[k]
	}
	if n[arrived] > 0 {
		c.operations++
	}
	if n[arrived] > 1 {
		c.twice++
	}
	c.most = max(c.most, n[arrived])
	c.missing += max(n[sent]-n[arrived], 0)
	c.hidden += max(n[arrived]-n[sent], 0)
}

// Finish closes the account. Call it once, after the last Ended; later events change nothing. A witness sees arrivals without a
// source, so an incomplete observation of effects changes nothing either.
func (a *Account) Finish(reports.Completeness) reports.Findings {
	r := a.result()
	f := reports.Findings{Violations: r.Violations, Unknown: r.Unknown, Measure: r.measure, Write: func(out *reports.Stream) {
		out.Total.Witness = r.Total
		for name, m := range out.Windows {
			m.Witness = r.Windows[name]
		}
	}}
	if r.Why != "" {
		f.Open = fmt.Sprintf("arrivals of stream %s are not fully known: %s", a.config.Stream, r.Why)
	}
	return f
}

// measure puts the counts of some windows together into m.
func (r *Result) measure(m *reports.Measures, windows []int) { m.Witness = r.over(windows) }

// result closes the account.
func (a *Account) result() Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	cells := a.cells()
	r := Result{
		Windows: make(map[string]*reports.Witness), Unknown: make(map[string]string),
		Why: a.unknown, Replays: a.replays, Violations: a.evidence(),
	}
	if a.blind > 1 {
		r.Why += fmt.Sprintf("; %s connections in all", reports.Count(a.blind))
	}
	if r.Why != "" {
		for _, name := range reports.WitnessNames() {
			r.Unknown[name] = r.Why
		}
		delete(r.Unknown, "attempts_sent")
	}
	r.over = func(windows []int) *reports.Witness {
		var sum cell
		for _, w := range windows {
			sum.add(&cells[w+1])
		}
		return a.counted(&sum)
	}
	var all []int
	for name, windows := range reports.ByName(a.config.Windows) {
		r.Windows[name] = r.over(windows)
		all = append(all, windows...)
	}
	r.Total = r.over(all)
	return r
}

// cells sums up the operations by window; the first cell is for the warm-up.
func (a *Account) cells() []cell {
	cells := make([]cell, len(a.config.Windows)+1)
	a.pages.Each(func(first uint64, p *page) {
		cell, shared := p.cells.One()
		switch {
		case shared && cell == pages.NoCell:
		case p.plain():
			c := &cells[cell]
			for k := range c.counts {
				c.counts[k] += pages.Size
			}
			c.operations += pages.Size
			c.most = max(c.most, 1)
		default:
			for i := range uint(pages.Size) {
				one := a.operation(p, first|uint64(i), i)
				cells[p.cells.At(i)].take(&one)
			}
		}
	})
	return cells
}

func (a *Account) operation(p *page, seq uint64, i uint) (n [kinds]int64) {
	for k := range n {
		if n[k] = int64(p.counts[k].at(i)); n[k] == 3 {
			n[k] = max(a.many[manyOf{seq, what(k)}], 3)
		}
	}
	return n
}

// counted makes the report of a cell.
func (a *Account) counted(c *cell) *reports.Witness {
	found := func(n int64) *int64 {
		if a.unknown != "" && n == 0 {
			return nil
		}
		return &n
	}
	// A count that may be too high because something was not seen is left out.
	exact := func(n int64) *int64 {
		if a.unknown != "" {
			return nil
		}
		return &n
	}
	attempts := &c.counts[sent]
	if a.full {
		attempts = nil
	}
	return &reports.Witness{
		AttemptsSent: attempts, Arrivals: found(c.counts[arrived]), Answered: found(c.counts[answered]),
		ArrivedCut:        exact(c.counts[arrived] - c.counts[whole]),
		ArrivedOperations: found(c.operations), ArrivedTwice: found(c.twice), MaxArrivals: found(c.most),
		NotArrived: exact(c.missing), HiddenArrivals: found(c.hidden),
	}
}

// evidence lists the operations that arrived more than once, except those of the warm-up.
func (a *Account) evidence() []reports.Violation {
	type found struct {
		cell int16
		v    reports.Violation
	}
	var all []found
	for seq, r := range a.repeats {
		p, i := a.pages.At(seq)
		cell := p.cells.At(i)
		if cell <= 0 || r.end == nil && p.counts[sent].at(i) == 0 {
			continue
		}
		all = append(all, found{cell, a.addEvidence(seq, r, a.operation(p, seq, i), a.config.Windows[cell-1])})
	}
	slices.SortFunc(all, func(x, y found) int { return cmp.Or(cmp.Compare(x.cell, y.cell), cmp.Compare(x.v.Seq, y.v.Seq)) })
	kept := make([]reports.Violation, len(all))
	for i := range all {
		kept[i] = all[i].v
	}
	return kept
}

func (a *Account) addEvidence(seq uint64, r *repeat, n [kinds]int64, window string) reports.Violation {
	v := reports.Violation{}
	if r.end != nil {
		v = *r.end
	}
	v.Kind, v.Stream, v.Window, v.Seq, v.ID = "arrived_twice", a.config.Stream, window, seq, a.config.Identity.Text(seq)
	var times []string
	for _, t := range r.times {
		times = append(times, fmt.Sprintf("at %s on connection %d", reports.Moment(int64(t.at)), t.conn))
		v.Arrived = append(v.Arrived, reports.Sighting{AtNS: int64(t.at), Origin: fmt.Sprintf("connection %d", t.conn)})
	}
	v.Why = fmt.Sprintf("arrived %s times, %s sent: %s", reports.Count(n[arrived]), reports.Count(n[sent]), strings.Join(times, ", "))
	return v
}
