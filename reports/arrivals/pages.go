package arrivals

import "wringer/reports/pages"

// counter counts to 3 for each operation of a page, in two bits: low for 1 and more, and high for 2 and more. With both bits
// and many it is 3 and more. It takes no memory where each operation has exactly one, as in most finished pages.
type counter struct {
	low, high, many *pages.Bits
	n               int16 // operations with low
}

// add counts one more, and returns the new count; 3 stands for 3 and more.
func (c *counter) add(i uint) int {
	switch {
	case !c.low.Has(i):
		pages.Mark(&c.low, i, &c.n)
		return 1
	case !c.high.Has(i):
		pages.Need(&c.high).Set(i)
		return 2
	case !c.many.Has(i):
		pages.Need(&c.many).Set(i)
	}
	return 3
}

// at is the count of an operation; 3 stands for 3 and more.
func (c *counter) at(i uint) int {
	switch {
	case c.many.Has(i):
		return 3
	case c.high.Has(i):
		return 2
	case c.low.Has(i):
		return 1
	}
	return 0
}

// once reports whether each operation has exactly one.
func (c *counter) once() bool { return c.low == pages.Full && c.high == nil }

// the counts of each operation
type what uint8

const (
	sent what = iota
	arrived
	whole
	answered
	kinds
)

// page holds the known facts of the operations that it covers.
type page struct {
	counts [kinds]counter
	cells  pages.Cells
	over   int // operations that ended
}

func (p *page) end(i uint, cell int16) {
	p.over++
	p.cells.Set(i, cell)
}

// plain reports whether all operations of the page are over, belong to one window, and were sent, arrived and were answered
// once.
func (p *page) plain() bool {
	for k := range p.counts {
		if !p.counts[k].once() {
			return false
		}
	}
	_, shared := p.cells.One()
	return p.over == pages.Size && shared
}
