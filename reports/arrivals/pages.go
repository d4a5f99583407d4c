package arrivals

const (
	pageShift = 12
	pageOps   = 1 << pageShift
)

// plane is one bit for each operation of a page. A nil plane has none set; ones is shared and never written to.
type plane [pageOps / 64]uint64

var ones = func() *plane {
	p := new(plane)
	for w := range p {
		p[w] = ^uint64(0)
	}
	return p
}()

func (p *plane) has(i uint) bool { return p != nil && p[i/64]&(1<<(i%64)) != 0 }

// counter counts to 3 for each operation of a page, in two bits: low for 1 and more, and high for 2 and more; with both
// and many it is 3 and more. Where each operation has exactly one, which is how most pages end, it takes no memory.
type counter struct {
	low, high, many *plane
	n               int // operations with low
}

// add counts one more, and returns how many there are now, 3 standing for 3 and more.
func (c *counter) add(i uint) int {
	switch {
	case !c.low.has(i):
		set(&c.low, i)
		if c.n++; c.n == pageOps {
			c.low = ones
		}
		return 1
	case !c.high.has(i):
		set(&c.high, i)
		return 2
	case !c.many.has(i):
		set(&c.many, i)
	}
	return 3
}

func set(p **plane, i uint) {
	if *p == nil {
		*p = new(plane)
	}
	(*p)[i/64] |= 1 << (i % 64)
}

// at is the count of an operation, 3 standing for 3 and more.
func (c *counter) at(i uint) int {
	switch {
	case c.many.has(i):
		return 3
	case c.high.has(i):
		return 2
	case c.low.has(i):
		return 1
	}
	return 0
}

// once says that each operation has exactly one.
func (c *counter) once() bool { return c.low == ones && c.high == nil }

// what is counted of each operation.
type what uint8

const (
	sent what = iota
	arrived
	whole
	answered
	kinds
)

// page holds what is known of pageOps operations.
type page struct {
	counts [kinds]counter
	// cells is the cell of each operation, where the page's operations are of several; else they are all of cell.
	cells *[pageOps]int16
	cell  int16
	over  int // operations that ended
}

// noCell: no operation of the page is over.
const noCell = -1

func (p *page) end(i uint, cell int16) {
	p.over++
	if p.cell == noCell {
		p.cell = cell
	}
	if p.cells == nil && p.cell != cell {
		p.cells = new([pageOps]int16)
		for j := range p.cells {
			p.cells[j] = p.cell
		}
	}
	if p.cells != nil {
		p.cells[i] = cell
	}
}

func (p *page) cellOf(i uint) int16 {
	if p.cells != nil {
		return p.cells[i]
	}
	return p.cell
}

// plain says that all operations of the page are over, of one window, and went as they should.
func (p *page) plain() bool {
	for k := range p.counts {
		if !p.counts[k].once() {
			return false
		}
	}
	return p.over == pageOps && p.cells == nil
}
