package integrity

import (
	"math/bits"

	"wringer/drivers"
)

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
func (p *plane) bit(i uint) uint64 {
	if p == nil {
		return 0
	}
	return p[i/64] >> (i % 64) & 1
}

func (p *plane) set(i uint) { p[i/64] |= 1 << (i % 64) }

func (p *plane) word(w int) uint64 {
	if p == nil {
		return 0
	}
	return p[w]
}

func need(p **plane) *plane {
	if *p == nil {
		*p = new(plane)
	}
	return *p
}

// state is what is known of an operation's end. It is the number that a page's bits low, high and drop make.
type state uint8

const (
	open          state = 0 // not over, or never planned
	acked         state = 1
	rejected      state = 2
	indeterminate state = acked | rejected
	dropped       state = 4
)

// sent says that some attempt was made.
func (s state) sent() bool { return s&indeterminate != 0 }

func (s state) String() string {
	return [...]string{"open", "acked", "rejected", "indeterminate", "dropped"}[s]
}

func stateOf(o drivers.Outcome) state {
	switch o {
	case drivers.Acked:
		return acked
	case drivers.Rejected:
		return rejected
	case drivers.Indeterminate:
		return indeterminate
	}
	return dropped
}

// page holds what is known of pageOps operations: state in the two bits low and high (acked 01, rejected 10,
// indeterminate 11) or in drop. Low and seen are ones when they hold for all, which is where most pages end.
type page struct {
	low, high, drop, seen, copied *plane
	// cells is the cell of each operation, where the page's operations are of several; else they are all of cell.
	cells       *[pageOps]int16
	cell        int16
	nLow, nSeen int16
}

// noCell: no operation of the page is over.
const noCell = -1

func (p *page) state(i uint) state {
	return state(p.low.bit(i) | p.high.bit(i)<<1 | p.drop.bit(i)<<2)
}

func (p *page) end(i uint, s state, cell int16) {
	if s&acked != 0 {
		mark(&p.low, i, &p.nLow)
	}
	if s&rejected != 0 {
		need(&p.high).set(i)
	}
	if s == dropped {
		need(&p.drop).set(i)
	}
	if p.cell != cell || p.cells != nil {
		p.assign(i, cell)
	}
}

// assign notes the cell of an operation.
func (p *page) assign(i uint, cell int16) {
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

func (p *page) see(i uint) { mark(&p.seen, i, &p.nSeen) }

// mark sets a bit that was not set, n being the number of those that were.
func mark(p **plane, i uint, n *int16) {
	need(p).set(i)
	if *n++; *n == pageOps {
		*p = ones
	}
}

func (p *page) cellOf(i uint) int16 {
	if p.cells != nil {
		return p.cells[i]
	}
	return p.cell
}

// pages is the directory of a stream's operations.
type pages struct {
	dir []*page
}

// at returns the page of operation seq, made when it is not there, and the operation's place in it.
func (d *pages) at(seq uint64) (*page, uint) {
	n, i := seq>>pageShift, uint(seq%pageOps)
	for uint64(len(d.dir)) <= n {
		d.dir = append(d.dir, nil)
	}
	p := d.dir[n]
	if p == nil {
		p = &page{cell: noCell}
		d.dir[n] = p
	}
	return p, i
}

// ifThere returns the page of operation seq for reading, nil when there is none, and the operation's place in it.
func (d *pages) ifThere(seq uint64) (*page, uint) {
	n, i := seq>>pageShift, uint(seq%pageOps)
	if n >= uint64(len(d.dir)) {
		return nil, i
	}
	return d.dir[n], i
}

func (d *pages) stateOf(seq uint64) state {
	if p, i := d.ifThere(seq); p != nil {
		return p.state(i)
	}
	return open
}

func (d *pages) cellOf(seq uint64) int16 {
	p, i := d.at(seq)
	return p.cellOf(i)
}

// lost visits every operation that was acked and not seen, in order.
func (d *pages) lost(visit func(seq uint64, cell int16)) {
	d.each(func(p *page, w int) uint64 { return p.low.word(w) &^ p.high.word(w) &^ p.seen.word(w) }, visit)
}

// strangers visits every operation that was seen and never ended, in order.
func (d *pages) strangers(visit func(seq uint64, cell int16)) {
	d.each(func(p *page, w int) uint64 {
		return p.seen.word(w) &^ p.low.word(w) &^ p.high.word(w) &^ p.drop.word(w)
	}, visit)
}

// each visits the operations that pick selects of each word.
func (d *pages) each(pick func(p *page, word int) uint64, visit func(seq uint64, cell int16)) {
	for n, p := range d.dir {
		if p == nil {
			continue
		}
		for w := range pageOps / 64 {
			for m := pick(p, w); m != 0; m &= m - 1 {
				i := uint(w*64 + bits.TrailingZeros64(m))
				visit(uint64(n)<<pageShift|uint64(i), p.cellOf(i))
			}
		}
	}
}
