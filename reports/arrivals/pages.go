package arrivals

import "wringer/reports/pages"

// counter counts to 3 for each operation of a page, in two bits: low for 1 and more, and high for 2 and more; with both
// and many it is 3 and more. Where each operation has exactly one, which is how most pages end, it takes no memory.
type counter struct {
	low, high, many *pages.Bits
	n               int16 // operations with low
}

// add counts one more, and returns how many there are now, 3 standing for 3 and more.
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

// at is the count of an operation, 3 standing for 3 and more.
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

// once says that each operation has exactly one.
func (c *counter) once() bool { return c.low == pages.Full && c.high == nil }

// what is counted of each operation.
type what uint8

const (
	sent what = iota
	arrived
	whole
	answered
	kinds
)

// page holds what is known of the operations that one page covers.
type page struct {
	counts [kinds]counter
	cells  pages.Cells
	over   int // operations that ended
}

func (p *page) end(i uint, cell int16) {
	p.over++
	p.cells.Set(i, cell)
}

// plain says that all operations of the page are over, of one window, and went as they should.
func (p *page) plain() bool {
	for k := range p.counts {
		if !p.counts[k].once() {
			return false
		}
	}
	_, shared := p.cells.One()
	return p.over == pages.Size && shared
}
